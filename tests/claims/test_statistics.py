from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from advdim.claims import statistics


def test_exponent_of_a_power_law():
    rows = pd.DataFrame({"dimension": [10, 100, 1000] * 2})
    rows["value"] = 3.0 * rows["dimension"] ** -0.5
    assert statistics.exponent(rows, "value") == pytest.approx(-0.5)
    assert math.isnan(statistics.exponent(rows[:1], "value"))
    assert math.isnan(statistics.exponent(rows.assign(value=0.0), "value"))


def test_the_slope_is_that_of_least_squares():
    random = np.random.default_rng(3)
    x, y = random.normal(size=9), random.normal(size=9)
    assert statistics.slope(x, y) == pytest.approx(np.polyfit(x, y, 1)[0])
    assert math.isnan(statistics.slope(x, np.append(y[1:], math.nan)))


def test_linearity_in_root_dimension():
    rows = pd.DataFrame({"dimension": [1, 4, 9, 16], "value": [1.0, 2.0, 3.0, 4.0]})
    assert statistics.linearity(rows, "value") == pytest.approx(1)
    assert math.isnan(statistics.linearity(rows[:2], "value"))


def test_a_missing_size_moves_no_exponent():
    rows = pd.DataFrame(
        [
            {"network": network, "size": size, "dimension": 3 * size**2, "value": factor * size}
            for network, factor in (("a", 1.0), ("b", 100.0))
            for size in (8, 16, 32)
        ]
    )
    for chosen in (rows, rows[(rows["network"] == "a") | (rows["size"] < 32)]):
        assert statistics.exponent(chosen, "value") == pytest.approx(0.5)
    random = np.random.default_rng(0)
    rows["value"] *= np.exp(random.normal(size=6))
    columns = [np.log(rows["dimension"]), rows["network"] == "a", rows["network"] == "b"]
    fit, *_ = np.linalg.lstsq(np.column_stack(columns).astype(float), np.log(rows["value"]))
    assert statistics.exponent(rows, "value") == pytest.approx(fit[0])


def test_correlations_are_those_of_scipy():
    random = np.random.default_rng(0)
    x, y = pd.Series(random.integers(0, 5, 30)).astype(float), pd.Series(random.normal(size=30))
    assert statistics.rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    assert statistics.linear_correlation(x, y) == pytest.approx(stats.pearsonr(x, y).statistic)
    y[3] = math.nan
    assert math.isnan(statistics.rank_correlation(x, y))
    assert math.isnan(statistics.linear_correlation(x, y))
    assert math.isnan(statistics.rank_correlation(x[:2], y[:2]))
    assert math.isnan(statistics.rank_correlation(x, x * 0))


def test_log_ratios_per_strength_that_both_methods_have():
    rows = pd.DataFrame(
        {"epsilon": [1, 2, 3, 1, 2], "method": list("aaabb"), "g": [1.0, 1.0, 1.0, 2.0, 0.5]}
    )
    ratios = statistics.log_ratios(rows, "a", "b", "g")
    assert ratios == pytest.approx({"strength 1": -math.log(2), "strength 2": math.log(2)})
    assert statistics.log_ratios(rows, "a", "c", "g") == {}
    assert max(statistics.either_sign({"a": -2.0, "b": 1.0}).values()) == 2


def test_the_largest_difference_is_the_range():
    rows = pd.DataFrame({"size": [8, 16, 32], "value": [0.5, 0.7, 0.6]})
    found = statistics.differences(rows, "value", "size")
    assert len(found) == 6
    assert max(found, key=lambda name: found[name]) == "16 against 8"
    assert max(found.values()) == pytest.approx(0.2)


@pytest.mark.parametrize("with_baseline", [True, False])
def test_groups_are_compared_at_equal_x_beyond_a_cubic(with_baseline):
    x = pd.Series([*np.tile(np.arange(10.0), 2), 12.0, 12.0])
    groups = pd.Series([*np.repeat(["a", "b"], 10), "none", "none"])
    y = x**3 - 2 * x + 0.5 * (groups == "b")
    chosen = slice(None) if with_baseline else slice(20)
    found = statistics.effects_of_groups(x[chosen], y[chosen], groups[chosen], "none")
    assert set(found) == {"a against b", "b against a"}
    assert found["b against a"] == pytest.approx(0.5)
    assert found["a against b"] == pytest.approx(-0.5)


def test_the_effect_of_groups_needs_rows_that_determine_it():
    x, groups = pd.Series(np.arange(8.0)), pd.Series(list("aaaabbbb"))
    assert statistics.effects_of_groups(x, x, pd.Series("a", x.index)) == {}
    assert statistics.effects_of_groups(x[2:6], x[2:6], groups[2:6]) == {}
    two_values = x % 2
    assert statistics.effects_of_groups(two_values, two_values, groups) == {}
