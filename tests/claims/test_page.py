from __future__ import annotations

from html.parser import HTMLParser

import pytest

from advdim.claims.registry import CLAIMS
from advdim.config import load
from advdim.stages.claims import judge_claims
from advdim.tables import TABLES, read_table


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
        if tag not in {"meta", "br", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def judged(raw_config, tmp_path):
    """All claims on a sweep that made no table at all."""
    judge_claims(load(raw_config), {}, tmp_path / "claims.parquet", tmp_path / "claims.html")
    return read_table(tmp_path / "claims.parquet"), (tmp_path / "claims.html").read_text()


def test_without_tables_every_claim_is_undecided(judged):
    table, _ = judged
    assert set(table["claim"]) == {claim.name for claim in CLAIMS}
    assert set(table["verdict"]) == {"undecided"}
    assert list(table.columns) == [column.name for column in TABLES["claims"]]


def test_the_page_is_whole_and_shows_every_claim(judged):
    page = Page(judged[1])
    assert page.open == []
    assert [tag for tag, _ in page.tags].count("tr") == len(judged[0]) + 1
    for claim in CLAIMS:
        assert claim.sentence in page.text
        assert claim.source in page.text
    labels = [attributes["for"] for tag, attributes in page.tags if tag == "label"]
    assert labels == [attributes["id"] for tag, attributes in page.tags if tag == "input"]


def test_the_page_links_the_figures_of_experiments(judged):
    links = {attributes["href"] for tag, attributes in Page(judged[1]).tags if tag == "a"}
    assert "figures/dimension/input_dimension.png" in links


def test_the_page_loads_nothing_from_elsewhere(judged):
    page = Page(judged[1])
    assert not [value for _, attributes in page.tags for value in attributes.values()
                if "://" in str(value)]  # fmt: skip
