from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from advdim.claims import READ_TABLES, base, statistics
from advdim.claims.base import Claim, claim_rows, expected_text, interval, judge, unit_rows
from advdim.claims.registry import CLAIMS
from advdim.figures.registry import FIGURES
from advdim.tables import TABLES

from . import worlds


def verdicts(tables):
    rows = claim_rows(CLAIMS, tables, worlds.FIGURES)
    return {row["claim"]: row for row in rows}


@pytest.fixture(scope="module")
def judged():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "RESAMPLES", 50)
        return judged_worlds()


def judged_worlds():
    return {
        "true": verdicts(worlds.tables(True)),
        "false": verdicts(worlds.tables(False)),
        "few": verdicts(worlds.tables(True, seeds=1)),
    }


@pytest.mark.parametrize("claim", [claim.name for claim in CLAIMS])
def test_a_true_claim_holds(judged, claim):
    row = judged["true"][claim]
    assert (row["verdict"], row["reason"]) == ("holds", "the interval lies in the claimed range")
    assert row["ci_low"] <= row["ci_high"]


@pytest.mark.parametrize("claim", [claim.name for claim in CLAIMS])
def test_a_false_claim_fails(judged, claim):
    assert judged["false"][claim]["verdict"] == "fails"


@pytest.mark.parametrize("claim", [claim.name for claim in CLAIMS])
def test_without_data_a_claim_is_undecided(claim):
    (chosen,) = [c for c in CLAIMS if c.name == claim]
    nothing = {name: table.iloc[:0] for name, table in worlds.tables(True, seeds=1).items()}
    judgement = judge(chosen, nothing, "dimension")
    assert (judgement.verdict, judgement.reason) == ("undecided", "no data")


def test_few_cells_leave_claims_undecided(judged):
    reasons = {name: row["reason"] for name, row in judged["few"].items()}
    assert reasons["law_survives_autoattack"] == "too few cells"
    assert reasons["cross_lipschitz_costs_accuracy"] == "too few cells"


def test_an_undrawn_figure_leaves_its_claims_undecided():
    row = next(claim_rows(CLAIMS, worlds.tables(True, seeds=1), {"other": []}))
    assert (row["verdict"], row["experiment"]) == ("undecided", "")
    assert row["reason"] == "no experiment draws the figure"


def test_every_claim_is_complete():
    names = [claim.name for claim in CLAIMS]
    assert len(set(names)) == len(names) >= 25
    for claim in CLAIMS:
        assert claim.figure in FIGURES
        assert set(claim.tables) <= set(TABLES)
        assert claim.low <= claim.high
        assert claim.sentence.endswith(".")
    assert set(READ_TABLES) == {table for claim in CLAIMS for table in claim.tables}


def test_the_interval_covers_the_truth_as_often_as_it_says():
    random = np.random.default_rng(0)
    covered = 0
    for trial in range(60):
        rows = pd.DataFrame({"x": random.normal(1.0, 1.0, 40)})
        low, high = interval(rows, lambda r: float(r["x"].mean()), unit_rows(rows, (), ()), trial)
        covered += low <= 1.0 <= high
    assert 50 <= covered <= 60


def test_units_are_drawn_whole_and_within_their_stratum():
    rows = pd.DataFrame({"size": [1, 1, 1, 2, 2, 2], "seed": [0, 0, 1, 0, 1, 2], "x": range(6)})
    groups = unit_rows(rows, ("seed",), ("size",))
    assert [[list(unit) for unit in units] for units in groups] == [[[0, 1], [2]], [[3], [4], [5]]]
    seen = []

    def remember(drawn: pd.DataFrame) -> float:
        seen.append(drawn)
        return 1.0

    interval(rows, remember, groups)
    assert all(set(drawn["size"]) == {1, 2} for drawn in seen)
    assert {len(drawn[drawn["size"] == 2]) for drawn in seen} == {3}
    assert {len(drawn[drawn["size"] == 1]) for drawn in seen} == {2, 3, 4}


@pytest.mark.parametrize(
    ("values", "verdict"),
    [([0.49, 0.5, 0.51], "holds"), ([0.8, 0.9, 1.0], "fails"), ([0.2, 0.5, 0.9], "undecided")],
)
def test_verdicts(values, verdict):
    claim = Claim(
        "c", "s.", "p", "f", (), "mean", 0.4, 0.6,
        lambda tables, experiment: pd.DataFrame({"x": values}), lambda r: float(r["x"].mean()),
    )  # fmt: skip
    assert judge(claim, {}, "e").verdict == verdict


def test_exponent_of_a_power_law():
    rows = pd.DataFrame({"dimension": [10, 100, 1000] * 2})
    rows["value"] = 3.0 * rows["dimension"] ** -0.5
    assert statistics.exponent(rows, "value") == pytest.approx(-0.5)
    assert math.isnan(statistics.exponent(rows[:1], "value"))


def test_linearity_in_root_dimension():
    rows = pd.DataFrame({"dimension": [1, 4, 9, 16], "value": [1.0, 2.0, 3.0, 4.0]})
    assert statistics.linearity(rows, "value") == pytest.approx(1)
    assert statistics.slope_in_root_dimension(rows, "value") == pytest.approx(1)


def test_curve_distance_is_a_mean_log_ratio():
    rows = pd.DataFrame(
        {"epsilon": [1, 2, 1, 2], "method": ["a", "a", "b", "b"], "g": [1.0, 1.0, 2.0, 0.5]}
    )
    assert statistics.curve_distance(rows, "a", "b", "g") == pytest.approx(math.log(2))
    assert math.isnan(statistics.curve_distance(rows, "a", "c", "g"))


def test_share_of_a_group_beyond_a_monotone_function():
    x = np.tile(np.arange(20.0), 2)
    group = np.repeat(["a", "b"], 20)
    same = pd.DataFrame({"x": x, "y": x**2, "group": group})
    assert statistics.share_of_group(same, "x", "y", "group") == pytest.approx(0, abs=1e-12)
    shifted = same.assign(y=np.where(group == "a", 1.0, -1.0))
    assert statistics.share_of_group(shifted, "x", "y", "group") == pytest.approx(1)


def test_ranges_in_words():
    assert expected_text(-math.inf, 0.15) == "at most 0.15"
    assert expected_text(0.01, math.inf) == "at least 0.01"
    assert expected_text(0, 1) == "0 to 1"
