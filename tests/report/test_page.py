from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from advdim.catalogue.figures import FIGURES
from advdim.claims.registry import CLAIMS
from advdim.config import load
from advdim.measures.flags import SENTENCES
from advdim.report.page import READ, SECTIONS, report_page
from advdim.stages.report import write_report
from advdim.stages.tables import make_table
from advdim.tables import TABLES, read_table, write_table

from .pages import Page, all_with_class, text_of
from .test_answer import sweep

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cf"
    "c0000003010100c9fe92ef0000000049454e44ae426082"
)


def cell_row(seed):
    return {
        "dataset": "digits", "network": "maxpool4", "size": 8, "method": "none", "epsilon": 0.0,
        "seed": seed, "experiments": ["dimension"], "status": "done", "dimension": 64,
        "seconds": 1800.0, "device": "a <processor>", "commit": "abc", "accuracy_median": 0.5,
        "versions": '{"torch": "2"}',
    }  # fmt: skip


@pytest.fixture
def made(raw_config, tmp_path):
    """The report of a sweep with two cells and every figure, whose claims nothing decides."""
    raw_config["results"] = str(tmp_path)
    config = load(raw_config)
    pictures = [
        tmp_path / f"figures/{experiment}/{figure}.png"
        for experiment, figures in config.figures_by_experiment.items()
        for figure in figures
    ]
    for path in pictures:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PIXEL)
    tables = tmp_path / "tables"
    make_table(config, "claims", {}, tables / "claims.parquet")
    write_table(tables / "cells.parquet", "cells", [cell_row(0), cell_row(1)])
    write_report(config, sorted(tables.iterdir()), pictures, tmp_path / "report.html")
    return config, Page((tmp_path / "report.html").read_text()), tables


def test_without_tables_every_claim_is_undecided_or_not_asked(made):
    table = read_table(made[2] / "claims.parquet")
    assert set(table["claim"]) == {claim.name for claim in CLAIMS}
    drawn = table["experiment"] != ""
    assert set(table["verdict"][drawn]) == {"undecided"}
    assert set(table["verdict"][~drawn]) == {"not asked"}
    assert list(table.columns) == [column.name for column in TABLES["claims"]]


def test_the_page_is_whole_and_shows_every_claim(made):
    page = made[1]
    assert page.open == []
    for claim in CLAIMS:
        assert claim.sentence in page.text
        assert claim.source in page.text


def test_claims_that_nothing_is_drawn_for_come_last_and_do_not_count(made):
    _, page, tables = made
    rows = read_table(tables / "claims.parquet")
    judged = rows[rows["experiment"] != ""]
    assert 0 < len(judged) < len(rows)
    assert f"{len(judged)} judgements: 0 holds, 0 fails, {len(judged)} undecided" in page.text
    assert f"{len(rows) - len(judged)} more, at the end, were not asked:" in page.text
    sources = [
        page.text.rindex(sentence) for sentence in rows["sentence"][rows["experiment"] == ""]
    ]
    assert min(sources) > max(page.text.index(sentence) for sentence in judged["sentence"])


def test_every_figure_is_embedded_with_its_caption_as_text(made):
    config, page, _ = made
    drawn = [f for e in config.experiments.values() for f in e.figures]
    drawn += [f for e in config.initialisation.values() for f in e.figures]
    images = page.all("img")
    assert len(images) == len(drawn)
    for image, figure in zip(images, drawn, strict=True):
        assert image["src"].startswith("data:image/png;base64,")
        assert FIGURES[figure].caption in image["alt"]


def test_every_link_leads_to_a_place_on_the_page(made):
    page = made[1]
    places = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(places)) == len(places)
    links = [attributes["href"] for attributes in page.all("a")]
    assert set(links) <= {f"#{place}" for place in places}
    assert "#figure-dimension-input_dimension" in links
    assert any(link.startswith("#claim-dimension-") for link in links)
    assert [label["for"] for label in page.all("label")] == [i["id"] for i in page.all("input")]


def test_of_what_is_finished_figures_without_tables_are_left_out(made, tmp_path):
    config, _, tables = made
    finished = load({**config.model_dump(), "only_finished": True})
    pictures = [
        path
        for path in tmp_path.glob("figures/*/*.png")
        if set(FIGURES[path.stem].tables) == {"cells"}
    ]
    write_report(finished, sorted(tables.iterdir()), pictures, tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text())
    assert len(page.all("img")) == len(pictures) > 0
    places = {f"#{attributes['id']}" for _, attributes in page.tags if "id" in attributes}
    assert {attributes["href"] for attributes in page.all("a")} <= places


def test_an_experiment_without_figures_is_named_and_leads_nowhere(raw_config, tmp_path):
    raw_config["results"] = str(tmp_path)
    raw_config["experiments"]["regularisation"]["figures"] = []
    page = page_of(raw_config, {})
    assert "regularisation" in page.text
    assert "#experiment-regularisation" not in [link["href"] for link in page.all("a")]


def test_the_page_loads_nothing_from_elsewhere(made):
    values = [str(v) for _, attributes in made[1].tags for v in attributes.values()]
    assert not [value for value in values if "://" in value]


def test_settings_on_the_page_are_the_sweep(made):
    config, page, _ = made
    text = page.text[page.text.index("runs this sweep again.") + len("runs this sweep again.") :]
    settings = yaml.safe_load(text[: text.index("Provenance")])
    assert load(settings) == config


def test_provenance_counts_hours_hardware_and_versions(made):
    text = made[1].text
    for fact in ("1.00", "a <processor> (2)", "abc (2)", "torch 2", "Versions (2 networks)"):
        assert fact in text


def test_a_figure_that_no_page_can_show_is_named(raw_config, tmp_path):
    raw_config["results"] = str(tmp_path)
    raw_config["figures"] = {"formats": ["pdf"]}
    config = load(raw_config)
    make_table(config, "claims", {}, tmp_path / "claims.parquet")
    drawn = [
        tmp_path / f"figures/{experiment}/{figure}.pdf"
        for experiment, figures in config.figures_by_experiment.items()
        for figure in figures
    ]
    write_report(config, [tmp_path / "claims.parquet"], drawn, tmp_path / "report.html")
    page = Page(Path(tmp_path / "report.html").read_text())
    assert not page.all("img")
    assert "Drawn as input_dimension.pdf" in page.text


def page_of(raw_config, tables, figures=("input_dimension",)):
    """Return the page of a sweep's tables, with the figures of its experiment ``dimension``."""
    file = Path(raw_config["results"], "drawn.png")
    file.write_bytes(PIXEL)
    every = {
        name: tables.get(name, pd.DataFrame({column.name: [] for column in TABLES[name]}))
        for name in READ
    }
    drawn = {("dimension", figure): [file] for figure in figures}
    return Page(report_page(load(raw_config), every, drawn, {}))


@pytest.fixture
def trained(raw_config, tmp_path):
    """Return a function from networks per size to the page of a sweep that trained them."""
    raw_config["results"] = str(tmp_path)

    def page(seeds, ended="done", **settings):
        measures = {
            (method, epsilon, size): [
                (size * (1 + seed / 50), size / 100 + seed / 500, 0.9) for seed in range(seeds)
            ]
            for method, epsilon in (("none", 0.0), ("pgd_linf", 0.1))
            for size in (8, 32)
        }
        tables = sweep(measures, **settings)
        tables["cells"] = tables["cells"].assign(
            experiments=[["dimension"]] * len(tables["cells"]), seconds=60.0, device="a processor",
            commit="abc", versions='{"torch": "2"}', epochs=10,
            error="RuntimeError: <no> logits" if ended == "failed" else None,
        )  # fmt: skip
        tables["cells"].loc[tables["cells"]["status"] == "failed", "status"] = ended
        cells = tables["cells"].assign(dampening=1.0).to_dict("records")
        write_table(tmp_path / "cells.parquet", "cells", cells)
        return page_of(raw_config, {**tables, "cells": read_table(tmp_path / "cells.parquet")})

    return page


def test_the_answer_comes_first_then_claims_figures_and_networks(made):
    headings = [text_of(heading) for heading in made[1].root.iter("h2")]
    assert headings == list(SECTIONS.values())
    first, second = (text_of(h) for h in list(made[1].root.iter("h2"))[:2])
    assert (first, second) == ("The answer", "Claims")


def test_the_key_figure_is_shown_once_and_with_the_answer(made):
    page = made[1]
    (figure,) = [f for f in page.root.iter("figure") if "input_dimension" in f.get("id")]
    answer = next(s for s in page.root.iter("section") if s.get("id") == "answer-section")
    assert figure in answer.iter()


def test_two_sentences_say_what_grows_with_its_interval(trained):
    plain, strong = all_with_class(trained(3).root, "growth")
    text = text_of(plain)
    assert text.startswith(
        "Without regularisation, the gradient norm grows: it is 4 times as large"
    )
    assert "at 32 pixels as at 8 (95 % interval over networks " in text
    assert "the vulnerability grows, from 8.2 % to 32.2 %, by +24.0 points (95 % interval " in text
    assert "at accuracies of 90.0 % and 90.0 %." in text
    low, high = re.search(r"over networks (\S+) to (\S+);", text).groups()
    assert 3.5 < float(low) < 4 < float(high) < 4.5
    assert text_of(strong).startswith("With pgd_linf at strength 0.1, the gradient norm grows")


@pytest.mark.parametrize(("seeds", "said"), [(1, "is one network"), (2, "are 2 networks")])
def test_too_few_networks_for_an_interval_are_named(trained, seeds, said):
    for sentence in all_with_class(trained(seeds).root, "growth"):
        text = text_of(sentence)
        assert f"There {said} of a size, and three are needed for an interval" in text
        assert "95 %" not in text
        assert "grows" not in text
        assert "4 times as large at 32 pixels as at 8" in text


@pytest.mark.parametrize(
    ("ended", "why"),
    [("failed", "RuntimeError: <no> logits"), ("diverged", "its loss is not finite")],
)
def test_networks_that_ended_badly_are_named_with_why(trained, ended, why):
    page = trained(4, ended, missing=[("none", 8, 1)])
    doubts = next(s for s in page.root.iter("section") if s.get("id") == "doubts-section")
    (row,) = [tr for tr in doubts.iter("tr") if ended in text_of(tr)]
    assert "pooled on invented, 8 pixels, none 0, seed 1" in text_of(row)
    assert why in text_of(row)
    plain, strong = all_with_class(page.root, "growth")
    assert "1 of these networks diverged or failed and is left out." in text_of(plain)
    assert "left out" not in text_of(strong)


def test_numbers_with_a_flag_are_named_below_and_at_the_answer(trained):
    page = trained(3, flagged=[("none", 8, 1), ("pgd_linf", 8, 0), ("pgd_linf", 32, 2)])
    doubts = next(s for s in page.root.iter("section") if s.get("id") == "doubts-section")
    assert SENTENCES["zero_gradients"] in text_of(doubts)
    assert "3 of 12 networks" in text_of(doubts)
    assert "pooled on invented, 32 pixels, pgd_linf 0.1, seed 2 (seen by the measures)" in text_of(
        doubts
    )
    plain, strong = all_with_class(page.root, "growth")
    assert "The numbers of 1 of these networks are not to be trusted." in text_of(plain)
    assert "The numbers of 2 of these networks are not to be trusted." in text_of(strong)
    assert "No network carries a flag" in trained(3).text


def test_the_page_counts_what_was_trained_and_what_was_only_measured(raw_config, tmp_path):
    raw_config["results"] = str(tmp_path)

    def said(*epochs):
        ended = [count if isinstance(count, tuple) else (count, "done") for count in epochs]
        rows = [
            {**cell_row(seed), "epochs": count, "status": status}
            for seed, (count, status) in enumerate(ended)
        ]
        write_table(tmp_path / "cells.parquet", "cells", rows)
        page = page_of(raw_config, {"cells": read_table(tmp_path / "cells.parquet")})
        return text_of(next(page.root.iter("header")).find("p"))

    start = "4 trained networks and 1 network measured without training, 1 figure, 0 judgements of"
    assert said(3, 3, 0, 3, None).startswith(start)
    assert said(0, 0).startswith("2 networks measured without training, 1 figure")
    assert said(3).startswith("1 trained network, 1 figure")
    lost = said((0, "diverged"), (3, "done"), (None, "failed"), (0, "diverged"), (0, "done"))
    assert lost.startswith(
        "1 trained network, 1 network measured without training, 2 that diverged and 1 that failed,"
    )


def test_a_run_without_the_key_figure_says_that_it_does_not_answer(raw_config, tmp_path):
    raw_config["results"] = str(tmp_path)
    page = page_of(raw_config, {}, figures=("training_curves",))
    assert "so the question is not answered here" in page.text
    assert not all_with_class(page.root, "growth")


def test_a_demonstration_says_that_it_is_one(made, raw_config, tmp_path):
    said = "This run is a demonstration on the handwritten digits of 8 x 8 pixels"
    assert said in text_of(made[1].root)
    assert "All are about this demonstration's images" in text_of(made[1].root)
    raw_config["datasets"]["digits"] = {"source": "torchvision", "name": "MNIST"}
    raw_config["results"] = str(tmp_path)
    assert "is a demonstration" not in page_of(raw_config, {}).text


def test_what_only_the_script_can_do_is_hidden_without_it(made):
    fields = all_with_class(made[1].root, "search")
    assert len(fields) == 2
    assert all("hidden" in field.attrib for field in fields)
    searches = [i for i in made[1].root.iter("input") if i.get("type") == "search"]
    assert all(any(i in field.iter() for field in fields) for i in searches)
