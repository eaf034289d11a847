"""What ``make figures`` and ``make docs`` do, on a small run without images and networks."""

import json
import re
import shutil
import subprocess
from contextlib import redirect_stdout
from copy import deepcopy
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
import yaml
from docs.fill import pictures
from docs.fill.agreement import disagreements
from docs.fill.blocks import FillError, filled
from docs.fill.pages import fill_pages, unused_pictures
from docs.fill.pictures import said
from docs.fill.published import Published, number

from advdim.__main__ import main
from advdim.commands import figures
from advdim.tables import read_table, write_frames
from tests.forked import snakemake
from tests.workflow.conftest import ROOT, Workflow
from tests.workflow.test_workflow import CELL

FINISHED = ("--config", "only_finished=true")
PAGE = """# Page

<!-- to fill: claims input_dimension -->
<!-- end -->
<!-- to fill: sentences damage_is_first_order@dimension -->
<!-- end -->
<!-- to fill: answer dimension regularisation -->
<!-- end -->
<!-- to fill: verdicts -->
<!-- end -->
<!-- to fill: networks dimension regularisation -->
<!-- end -->
<!-- to fill: epochs dimension -->
<!-- end -->
<!-- to fill: attacks dimension -->
<!-- end -->
<!-- to fill: bounds dimension -->
<!-- end -->
<!-- to fill: made_of -->
<!-- end -->
<!-- to fill: missing -->
<!-- end -->
<!-- to fill: all_networks -->
<!-- end -->
<!-- to fill: figure dimension_growth dimension regularisation -->
An earlier picture.
<!-- end -->
<!-- to fill: claims pooling -->
Nothing draws it.
<!-- end -->
"""


@pytest.fixture(scope="session")
def published(finished, once):
    """A finished run as it is published, one network missing; figures made once."""
    config = deepcopy(finished.config)
    for experiment in config["experiments"].values():
        # All of them are drawn elsewhere.
        experiment["figures"] = experiment["figures"][:1]

    def publish(folder: Path) -> None:
        workflow = finished.copy(folder)
        for path in (".snakemake", "results/pixels", "results/figures", CELL):
            shutil.rmtree(folder / path)
        for path in (workflow.results / "tables").iterdir():
            if path.stem != "examples":
                path.unlink()
        for network in workflow.results.rglob("network.safetensors"):
            network.unlink()
        (folder / "published.yaml").write_text(yaml.safe_dump(config))
        workflow.config = config
        # as make figures calls it, with another configuration
        (arguments,) = re.findall(r"advdim figures (.*) --cores", (ROOT / "Makefile").read_text())
        assert arguments == "config/presets/cifar10.yaml"
        environment = workflow.command()["env"]

        def run(command: list[str], **options: object) -> subprocess.CompletedProcess:
            return snakemake(*command[3:], folder=folder, environment=environment)

        with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as output:
            patch.chdir(folder)
            patch.setattr(figures.subprocess, "run", run)
            options = ["--cores", "2", "--options=--profile none"]
            assert main(["figures", "sweep.yaml", *options]) == 0
        assert "Report in results/report.html, tables in results/tables." in output.getvalue()

    return Workflow(once("published", publish), config)


@pytest.fixture
def copy(published, tmp_path):
    return published.copy(tmp_path / "copy")


def run_of(workflow: Workflow) -> Published:
    return Published.of(workflow.folder / "published.yaml", workflow.folder)


def test_what_is_finished_is_drawn_without_images_networks_or_training(finished, published):
    assert len(list(published.results.glob("figures/*/*.png"))) == 4
    assert (published.results / "report.html").exists()
    for name in ("epochs", "attacks", "bounds"):
        before = read_table(finished.results / f"tables/{name}.parquet")
        left = before.query("not (size == 8 and method == 'pgd_linf' and network == 'maxpool4')")
        assert 0 < len(left) < len(before)
        again = read_table(published.results / f"tables/{name}.parquet")
        pd.testing.assert_frame_equal(again, left.reset_index(drop=True))
    assert published.counts(*FINISHED) == {}
    assert published.logs() == finished.logs()


def test_a_stage_of_which_nothing_is_finished_has_neither_tables_nor_figures(copy):
    for folder in (copy.results / "cells").rglob("attacks"):
        shutil.rmtree(folder)
    again = copy.counts(*FINISHED, "--forceall")
    assert {"table attack_summaries", "table ladder", "attack", "train"} & set(again) == set()


def test_the_tables_agree_with_the_records(published):
    assert disagreements(run_of(published)) == []


def edit_record(results, edit, name="run.json"):
    path = min(results.rglob(name))
    record = json.loads(path.read_text())
    edit(record)
    path.write_text(json.dumps(record))


def drop_a_table_row(results):
    path = results / "tables/cells.parquet"
    write_frames(path, "cells", [read_table(path).iloc[1:]])


def drop_the_ladder(results):
    (results / "tables/ladder.parquet").unlink()


def edit_a_claim(results):
    path = results / "tables/claims.parquet"
    write_frames(path, "claims", [read_table(path).assign(verdict="holds")])


def edit_a_summary(results):
    path = results / "tables/cells.parquet"
    write_frames(path, "cells", [read_table(path).assign(accuracy_median=0.5)])


def edit_a_measure(results):
    path = min(results.glob("cells/**/epochs.parquet"))
    rows = read_table(path)
    write_frames(path, "epochs", [rows.assign(grad_l1=2 * rows["grad_l1"])])


def add_a_network(results):
    network = min(results.rglob("seed=0"))
    shutil.copytree(network, network.parent / "seed=9")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda r: edit_record(r, lambda x: x.update(code_hash="newer")), '"code_hash"'),
        (lambda r: edit_record(r, lambda x: x.update(config_hash="other")), "other settings"),
        (lambda r: edit_record(r, lambda x: x.update(seconds=1e9)), '"seconds"'),
        (lambda r: edit_record(r, lambda x: x.update(content="x")), "made from something else"),
        (lambda r: shutil.rmtree(min(r.rglob("attacks"))), "The table 'attacks' is not what"),
        (lambda r: min(r.rglob("bounds.json")).unlink(), "The table 'bounds' is "),
        (drop_a_table_row, "The table 'cells' is not"),
        (edit_a_claim, "The table 'claims' is not"),
        (edit_a_summary, "accuracy_median"),
        (edit_a_measure, "The table 'epochs' is not"),
        (drop_the_ladder, "The table 'ladder' is not"),
        (add_a_network, "seed=9/run.json is of no result"),
    ],
    ids=["code", "settings", "seconds", "content", "attack", "bounds", "row", "claim", "summary",
         "measure", "ladder", "unplanned"],
)  # fmt: skip
def test_what_is_newer_or_older_is_named(copy, change, expected):
    change(copy.results)
    assert any(expected in sentence for sentence in disagreements(run_of(copy)))


def test_pages_are_filled_and_their_pictures_drawn(copy, monkeypatch):
    page = copy.folder / "docs" / "a_page.md"
    page.parent.mkdir()
    page.write_text(PAGE)
    run = run_of(copy)
    with pytest.raises(FillError, match=r"a_page\.md: The picture dimension_growth.* other rows"):
        fill_pages(copy.folder, run, [page], draw=False)
    text = fill_pages(copy.folder, run, [page])[page]
    assert text.count("<!-- filled: ") == PAGE.count("<!-- to fill: ") - 1
    assert "<!-- to fill: claims pooling -->\nNothing draws it.\n<!-- end -->" in text
    assert "An earlier picture" not in text
    page.write_text(text)
    (picture,) = (copy.folder / "docs/figures/results").iterdir()
    assert f"({picture.relative_to(page.parent)})" in text
    before = picture.stat().st_mtime_ns
    assert fill_pages(copy.folder, run, [page], draw=False) == {page: text}
    assert picture.stat().st_mtime_ns == before
    with monkeypatch.context() as changed:
        changed.setattr(pictures, "code_digest", lambda *_: "edited")
        with pytest.raises(FillError, match="other code"):
            fill_pages(copy.folder, run, [page], draw=False)
    assert unused_pictures(copy.folder) == []
    # The numbers, against the files of single networks.
    trained = copy.results.glob("cells/dataset=digits/network=strided4/size=8/method=grad_l1/**/*")
    (path,) = (path for path in trained if path.name == "epochs.parquet")
    epochs = pd.read_parquet(path, partitioning=None).query("summarised and split == 'test'")
    norm = number(epochs["grad_l1_untied"].median())
    (line,) = re.findall(r"\| `strided4` \| 8 \| `grad_l1` 0.01 \|.*", text)
    assert norm in line.split(" | ")
    # PGD is there at one size, and regularisation has no other.
    (answer,) = re.findall(r"\| `maxpool4`, .* px \|.*", text)
    assert answer.startswith("| `maxpool4`, usual | 8 to 16 px | 1 a size | 2 times | ")
    cells = read_table(copy.results / "tables/cells.parquet")
    usual = cells.query("network == 'maxpool4' and method == 'none'").set_index("size")
    small, large = usual["accuracy_median"][[8, 16]]
    change = f"{number(small)} to {number(large)}: **{number(large - small)}**"
    assert answer.split(" | ")[-1] == f"{change} |"
    missing = "- Networks: `maxpool4` 8 px `pgd_linf` 0.01 (seeds 0)."
    assert missing in text
    assert "Networks: 6 done, of 7 planned." in text
    claims = read_table(copy.results / "tables/claims.parquet").query("experiment != ''")
    judged = f"{len(claims)} judgements"
    assert f"Of {judged} of the papers' sentences" in text
    assert judged in (copy.results / "report.html").read_text()
    ours, again = (claims["range_source"] == "ours").sum(), claims["claim"].duplicated().sum()
    assert f"our reading of it in {ours}; {again} are of a sentence" in text
    # Other measures give another text and another picture.
    cells = copy.results / "tables/cells.parquet"
    rows = read_table(cells)
    doubled = 2 * rows["grad_l1_untied_median"]
    write_frames(cells, "cells", [rows.assign(grad_l1_untied_median=doubled)])
    digest = said(picture)
    assert fill_pages(copy.folder, run, [page])[page] != text
    assert said(picture) not in (digest, None)


def test_a_page_without_data_stays_as_it_is_and_one_that_lost_its_data_is_refused(copy):
    shutil.rmtree(copy.results / "tables")
    run = run_of(copy)
    page = copy.folder / "page.md"
    page.write_text(PAGE)
    assert fill_pages(copy.folder, run, [page], draw=False) == {page: PAGE}
    page.write_text(PAGE.replace("to fill: verdicts", "filled: verdicts"))
    with pytest.raises(FillError, match="no data any more for the block 'filled: verdicts'"):
        fill_pages(copy.folder, run, [page])


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("clams pooling", "There is no part 'clams'"),
        ("claims poolings", "names 'poolings', which is none of"),
        ("networks nowhere", "names 'nowhere', which is none of"),
        ("sentences damage_is_first_order@nowhere", "names 'nowhere'"),
        ("figure nothing dimension", "not 'nothing'"),
    ],
)
def test_what_a_block_misspells_is_named(published, call, expected, tmp_path):
    page = published.folder / f"{call.replace(' ', '_')}.md"
    page.write_text(f"<!-- to fill: {call} -->\n<!-- end -->\n")
    with pytest.raises(FillError, match=expected):
        fill_pages(published.folder, run_of(published), [page])


@pytest.mark.parametrize(
    "text",
    ["<!-- to fill: a -->\n", "<!-- end -->\n", "<!-- filled: a -->\n" * 2 + "<!-- end -->"],
)
def test_a_block_needs_its_end(text):
    with pytest.raises(FillError, match="of its own"):
        filled(text, lambda *_: "")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.6564, ".656"), (-0.05, "-.0500"), (44.23, "44.2"), (124.6, "125"), (4800.4, "4,800"),
     (0.0, "0"), (1.0, "1.00"), (2.5e-7, "2.5e-07"), (float("nan"), "-")],
)  # fmt: skip
def test_numbers_are_written_as_on_the_pages(value, expected):
    assert number(value) == expected


def test_a_picture_of_methods_waits_for_one(copy):
    """Until a network of some method is there, the panels of methods would be empty."""
    cells = copy.results / "tables/cells.parquet"
    rows = read_table(cells)
    write_frames(
        cells, "cells", [rows[(rows["network"] != "strided4") | (rows["method"] == "none")]]
    )
    page = copy.folder / "page.md"
    block = (
        "<!-- to fill: figure regularisation_methods regularisation -->\nNot yet.\n<!-- end -->\n"
    )
    page.write_text(block)
    assert fill_pages(copy.folder, run_of(copy), [page], draw=True) == {page: block}
