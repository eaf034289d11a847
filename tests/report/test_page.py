from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from advdim.claims.registry import CLAIMS
from advdim.config import load
from advdim.figures.captions import CAPTIONS
from advdim.stages.claims import judge_claims
from advdim.stages.report import write_report
from advdim.tables import TABLES, read_table, write_table

VOID = {"meta", "br", "input", "img"}
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cf"
    "c0000003010100c9fe92ef0000000049454e44ae426082"
)


class Page(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


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
    for experiment in (*config.experiments, *config.initialisation):
        owner = {**config.experiments, **config.initialisation}[experiment]
        for figure in owner.figures:
            path = tmp_path / f"figures/{experiment}/{figure}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(PIXEL)
    tables = tmp_path / "tables"
    judge_claims(config, {}, tables / "claims.parquet")
    write_table(tables / "cells.parquet", "cells", [cell_row(0), cell_row(1)])
    write_report(config, sorted(tables.iterdir()), tmp_path / "report.html")
    return config, Page((tmp_path / "report.html").read_text()), tables


def test_without_tables_every_claim_is_undecided(made):
    table = read_table(made[2] / "claims.parquet")
    assert set(table["claim"]) == {claim.name for claim in CLAIMS}
    assert set(table["verdict"]) == {"undecided"}
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
    assert f"{len(rows) - len(judged)} more, at the end," in page.text
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
        assert CAPTIONS[figure] in image["alt"]


def test_every_link_leads_to_a_place_on_the_page(made):
    page = made[1]
    places = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(places)) == len(places)
    links = [attributes["href"] for attributes in page.all("a")]
    assert set(links) <= {f"#{place}" for place in places}
    assert "#figure-dimension-input_dimension" in links
    assert any(link.startswith("#claim-dimension-") for link in links)
    assert [label["for"] for label in page.all("label")] == [i["id"] for i in page.all("input")]


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
    judge_claims(config, {}, tmp_path / "claims.parquet")
    write_report(config, [tmp_path / "claims.parquet"], tmp_path / "report.html")
    page = Page(Path(tmp_path / "report.html").read_text())
    assert not page.all("img")
    assert "Drawn as input_dimension.pdf" in page.text
