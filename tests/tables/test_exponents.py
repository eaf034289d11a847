import numpy as np
import pandas as pd
import pytest

from advdim.tables.exponents import exponent_over_seeds, predicted_exponent, undampened


def power_law(true, seeds, spread, random):
    rows = [
        {"seed": seed, "dimension": d, "value": 3 * d**true * np.exp(spread * random.normal())}
        for seed in range(seeds)
        for d in (64, 256, 1024, 4096)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("true", [0.5, 0.0, -0.5])
def test_an_exact_power_law_gives_its_exponent(true):
    fit = exponent_over_seeds(power_law(true, 3, 0.0, np.random.default_rng(0)))
    assert np.allclose([fit.estimate, fit.low, fit.high], true, atol=1e-12)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    random = np.random.default_rng(1)
    fits = [exponent_over_seeds(power_law(0.5, 5, 0.2, random)) for _ in range(400)]
    covered = np.mean([fit.low <= 0.5 <= fit.high for fit in fits])
    assert 0.92 < covered < 0.98


def test_one_seed_has_an_estimate_and_no_interval():
    fit = exponent_over_seeds(power_law(0.5, 1, 0.0, np.random.default_rng(0)))
    assert fit.estimate == pytest.approx(0.5)
    assert np.isnan(fit.low)
    assert np.isnan(fit.high)


def test_one_dimension_has_no_exponent():
    rows = power_law(0.5, 2, 0.0, np.random.default_rng(0)).query("dimension == 64")
    assert np.isnan(exponent_over_seeds(rows).estimate)


def test_averages_over_growing_maps_lower_the_predicted_exponent():
    rows = pd.DataFrame(
        {"dimension": [64, 256, 1024] * 2, "dampening": [1 / 8, 1 / 16, 1 / 32] * 2}
    )
    assert predicted_exponent(rows, 0.5) == pytest.approx(0)
    assert predicted_exponent(rows.assign(dampening=0.125), 0.5) == pytest.approx(0.5)
    assert predicted_exponent(rows.assign(dampening=np.nan), 0.5) == 0.5


def test_the_reference_is_the_least_dampened_network():
    rows = pd.DataFrame({"dampening": [0.5, 0.5, 0.125, np.nan], "value": [3.0, 5.0, 9.0, 7.0]})
    assert undampened(rows, "value") == 8
    assert np.isnan(undampened(rows[3:], "value"))
