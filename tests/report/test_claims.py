"""Every claim's line of the picture says what its row of the table says."""

from __future__ import annotations

import math
from functools import cache

import pandas as pd
import pytest

from advdim.claims.registry import CLAIMS
from advdim.claims.verdicts import claim_rows
from advdim.config import load
from advdim.report.claims import claims_of
from advdim.report.page import READ, report_page
from advdim.tables import TABLES
from tests.claims import worlds
from tests.conftest import SMALL

from .pages import Page, all_with_class, text_of, with_class

SAID = ("estimate", "interval", "spread", "expected", "range-source", "adjusted")
# Some true claims, all networks; every claim false; one network of a setting.
WORLDS = {"mixed": (0.8, 3), "false": (0.0, 3), "one network": (1.0, 1)}


@cache
def rows_of(world):
    truth, seeds = WORLDS[world]
    figures = {**worlds.FIGURES, "repeated": ["input_dimension"]}
    tables = worlds.tables(truth, seeds, spread=0.05)
    del figures["pools"]
    rows = pd.DataFrame(claim_rows(CLAIMS, tables, figures, {}))
    return rows[[column.name for column in TABLES["claims"]]]


@cache
def page_of(world):
    tables = {name: pd.DataFrame({column.name: [] for column in TABLES[name]}) for name in READ}
    return Page(report_page(load(SMALL), {**tables, "claims": rows_of(world)}, {}, {}))


def lines_and_rows(world):
    """Yield, per judgement, its row of the table ``claims``, its line, and its row on the page."""
    root = page_of(world).root
    rows = {tr.get("id"): tr for tr in root.iter("tr") if tr.get("id")}
    claims = claims_of(rows_of(world))
    judged = [*claims.judged, *claims.absent]
    lines = {line.find(".//a").get("href")[1:]: line for line in all_with_class(root, "line")}
    assert set(lines) == {claim.anchor for claim in judged} <= set(rows)
    for claim in judged:
        yield claim.row, lines[claim.anchor], rows[claim.anchor]


def place(element, name):
    value = element.get(name)
    assert value.endswith("%")
    return float(value[:-1])


@pytest.mark.parametrize("world", WORLDS)
def test_a_line_says_in_words_what_the_row_says(world):
    seen = set()
    for row, line, on_page in lines_and_rows(world):
        verdict = text_of(with_class(line, "verdict"))
        assert verdict == text_of(with_class(on_page, "word")) == row["verdict"]
        assert row["verdict"].replace(" ", "-") in line.get("class").split()
        assert text_of(line.find(".//a")) == row["sentence"]
        assert row["sentence"] in text_of(on_page)
        values = with_class(line, "values")
        for name in SAID:
            said = text_of(with_class(values, name))
            assert said == text_of(with_class(on_page, name)), (row["claim"], name)
            seen |= {name} if said else set()
        assert text_of(with_class(values, "expected")) == row["expected"]
        assert (row["experiment"] == "repeated") <= ("(repeated)" in text_of(line))
        if with_class(values, "interval") is None:
            assert text_of(with_class(values, "reason")) == row["reason"]
    expected = {"estimate", "expected", "range-source"}
    expected |= {"spread"} if world == "one network" else {"interval"}
    assert expected <= seen


@pytest.mark.parametrize("world", WORLDS)
def test_a_line_shows_the_verdict_that_stands_beside_it(world):
    """Whether the bar lies in the band, outside, or across its end is read off the drawing."""
    shown = []
    for row, line, _ in lines_and_rows(world):
        band, bar = with_class(line, "band"), with_class(line.find("svg"), "interval")
        if bar is None:
            assert not math.isfinite(row["ci_low"])
            continue
        start = place(band, "x")
        end = start + place(band, "width")
        low, high = place(bar, "x1"), place(bar, "x2")
        assert low <= place(with_class(line.find("svg"), "estimate"), "cx") <= high
        inside, outside = start < low and high < end, high < start or end < low
        drawn = "holds" if inside else "fails" if outside else "undecided"
        # A bar that leaves the band by less than a hundredth of a percent is drawn as at its end.
        assert drawn == row["verdict"] or min(abs(low - start), abs(high - end)) < 0.02
        shown.append(drawn)
    if world == "one network":
        assert not shown
    else:
        assert len(set(shown)) > 1 or world == "false"


@pytest.mark.parametrize("world", WORLDS)
def test_a_bounded_range_its_interval_and_estimate_are_to_scale(world):
    measured = 0
    for row, line, _ in lines_and_rows(world):
        low, high = row["expected_low"], row["expected_high"]
        drawing = line.find("svg")
        point = with_class(drawing, "estimate")
        assert (point is None) == (not math.isfinite(row["estimate"]))
        if math.isinf(low) or math.isinf(high) or with_class(drawing, "beyond") is not None:
            continue
        start, width = (place(with_class(drawing, "band"), name) for name in ("x", "width"))
        for name, value in {"x1": row["ci_low"], "x2": row["ci_high"]}.items():
            if math.isfinite(value):
                share = (place(with_class(drawing, "interval"), name) - start) / width
                assert share == pytest.approx((value - low) / (high - low), abs=0.01)
                measured += 1
        if point is not None:
            share = (place(point, "cx") - start) / width
            assert share == pytest.approx((row["estimate"] - low) / (high - low), abs=0.01)
            measured += 1
    assert measured > 5


def test_what_is_far_off_has_an_arrow_on_its_side():
    sides = set()
    for row, line, _ in lines_and_rows("false"):
        arrow = with_class(line.find("svg"), "beyond")
        if arrow is not None:
            left = row["estimate"] < row["expected_low"]
            assert arrow.get("d").startswith("M9" if left else "M-9")
            sides.add(left)
    assert sides


def test_whose_range_it_is_can_be_seen_and_read():
    seen = set()
    for row, line, on_page in lines_and_rows("mixed"):
        assert row["range_source"] in with_class(line, "band").get("class").split()
        words = {"paper": "the paper's range", "ours": "our reading"}[row["range_source"]]
        assert text_of(with_class(on_page, "range-source")) == words
        seen.add(words)
    assert len(seen) == 2


def test_a_verdict_that_does_not_outlast_the_adjustment_is_hollow():
    rows = rows_of("mixed").copy()
    decided = rows["verdict"] != "undecided"
    rows.loc[decided, "verdict_adjusted"] = "undecided"
    found = {claim.anchor: claim for claim in claims_of(rows).judged}
    assert {claim.row["verdict"] for claim in found.values() if claim.only_alone} >= {"holds"}
    for world in WORLDS:
        for row, line, on_page in lines_and_rows(world):
            hollow = with_class(line.find("svg"), "alone") is not None
            assert hollow == (row["verdict"] != row["verdict_adjusted"])
            assert hollow == (with_class(on_page, "adjusted") is not None)


def test_drawings_are_hidden_from_screen_readers_which_get_the_words():
    drawings = [e for e in page_of("mixed").root.iter("svg") if e.get("class") == "strip"]
    assert drawings
    assert all(drawing.get("aria-hidden") == "true" for drawing in drawings)


@pytest.mark.parametrize("world", WORLDS)
def test_the_filter_needs_no_script_and_counts_what_it_shows(world):
    page = page_of(world)
    radios = [i for i in page.all("input") if i.get("type") == "radio"]
    labels = {label.get("for"): text_of(label) for label in page.root.iter("label")}
    assert [radio["id"] for radio in radios if "checked" in radio] == ["show-all"]
    style = text_of(next(page.root.iter("style")))
    for verdict in ("holds", "fails", "undecided", "not asked"):
        name = verdict.replace(" ", "-")
        lines = [e for e in all_with_class(page.root, "line") if name in e.get("class").split()]
        assert len(lines) == (rows_of(world)["verdict"] == verdict).sum()
        assert labels[f"show-{name}"] == f"{verdict} ({len(lines)})"
        for hidden in (f".line:not(.{name})", f".part:not(:has(.line.{name}))"):
            assert f"#picture:has(#show-{name}:checked) {hidden}" in style
    assert labels["show-all"] == f"any ({len(all_with_class(page.root, 'line'))})"


def test_what_was_not_asked_is_the_picture_s_last_part_and_no_judgement():
    claims, rows = claims_of(rows_of("mixed")), rows_of("mixed")
    absent = rows[rows["experiment"] == ""]
    assert 0 < len(absent) == claims.all_counts["not asked"]
    assert set(absent["verdict"]) == {"not asked"}
    last = all_with_class(page_of("mixed").root, "part")[-1]
    assert text_of(last.find("h4")).startswith("Not asked")
    assert {text_of(e) for e in all_with_class(last, "verdict")} == {"not asked"}
    assert len(all_with_class(last, "line")) == len(absent)
    assert sum(claims.counts.values()) == sum(claims.adjusted_counts.values()) == len(claims.judged)
