from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from advdim.claims.base import judge_rows
from advdim.claims.intervals import Spread, fisher, interval, p_value, spread_over_networks
from advdim.claims.networks import stratify
from advdim.claims.registry import CLAIMS

from . import worlds

BY_NAME = {claim.name: claim for claim in CLAIMS}


def mean(rows):
    return float(rows["x"].mean())


def test_of_one_mean_the_interval_is_students():
    values = [1.0, 2.0, 4.0, 4.5]
    rows = pd.DataFrame({"size": 8, "seed": range(4), "x": values})
    spread = spread_over_networks(rows, mean, stratify(rows))
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert interval(spread) == pytest.approx(expected)
    assert p_value(spread, 2.0) == pytest.approx(stats.ttest_1samp(values, 2.0).pvalue)


def test_of_a_difference_of_means_it_is_welchs():
    random = np.random.default_rng(0)
    first, second = random.normal(0, 1, 5), random.normal(1, 3, 4)
    rows = pd.DataFrame(
        {"size": [8] * 5 + [16] * 4, "seed": [*range(5), *range(4)], "x": [*first, *second]}
    )
    spread = spread_over_networks(
        rows, lambda r: mean(r[r["size"] == 8]) - mean(r[r["size"] == 16]), stratify(rows)
    )
    welch = stats.ttest_ind(first, second, equal_var=False)
    assert interval(spread) == pytest.approx(tuple(welch.confidence_interval()))
    assert p_value(spread, 0.0) == pytest.approx(welch.pvalue)


def test_rows_of_a_network_leave_together():
    rows = pd.DataFrame(
        {"size": [8, 8, 8, 8, 16, 16], "seed": [0, 0, 1, 1, 0, 1], "method": list("abcadd"),
         "x": range(6)}
    )  # fmt: skip
    strata = stratify(rows.drop(columns="method"))
    assert [[list(network) for network in stratum] for stratum in strata] == [
        [[0, 1], [2, 3]], [[4], [5]],
    ]  # fmt: skip
    assert len(stratify(rows)) == 4


def test_of_parts_that_do_not_vary_the_extreme_is_exact():
    rows = pd.DataFrame({"size": 8, "seed": range(3), "x": 0.5})
    spread = spread_over_networks(rows, mean, stratify(rows))
    assert interval(spread) == (0.5, 0.5)
    assert (p_value(spread, 0.5), p_value(spread, 0.4)) == (1, 0)


def test_an_extreme_is_the_mirror_image_of_the_other():
    spread = Spread(np.array([0.1, 0.4]), np.array([0.1, 0.2]), np.array([3.0, 5.0]))
    mirrored = Spread(-spread.estimates, spread.errors, spread.freedoms)
    low, high = interval(spread, "largest")
    assert interval(mirrored, "smallest") == (-high, -low)
    # The upper end needs no correction, the lower one takes both parts into account.
    assert high == pytest.approx(0.4 + 0.2 * stats.t.ppf(0.975, 5))
    assert low == pytest.approx(max(0.1 - 0.1 * stats.t.ppf(0.9875, 3),
                                    0.4 - 0.2 * stats.t.ppf(0.9875, 5)))  # fmt: skip
    for edge in (low, high):
        assert p_value(spread, edge, "largest") == pytest.approx(0.05)
        assert p_value(mirrored, -edge, "smallest") == pytest.approx(0.05)


def test_a_correlation_gets_an_interval_inside_of_its_bounds():
    claim = BY_NAME["l2_is_linear_in_l1"]
    random = np.random.default_rng(2)
    rows = pd.DataFrame({"size": np.repeat([8, 16], 4), "seed": [*range(4)] * 2})
    rows["grad_l1"] = random.normal(size=8)
    rows["grad_l2"] = rows["grad_l1"] + 0.05 * random.normal(size=8)
    judgement = judge_rows(claim, rows)
    assert judgement.ci_low < judgement.estimate < judgement.ci_high < 1
    assert fisher(0.5) == pytest.approx(np.arctanh(0.5))
    assert math.isfinite(fisher(1.0))


def trained(random, networks, exponent, accuracies):
    """Return the last epochs of networks at four sizes, with variation of 15 and 10 %."""
    size, seed, epoch = (
        axis.ravel() for axis in np.meshgrid(worlds.SIZES, range(networks), range(5), indexing="ij")
    )
    rows = pd.DataFrame({"size": size, "dimension": 3 * size**2, "seed": seed, "epoch": epoch})
    between = random.normal(size=(4, networks, 1))
    within = random.normal(size=(4, networks, 5))
    for k in range(1, 5):
        within[..., k] = 0.8 * within[..., k - 1] + 0.6 * within[..., k]
    noise = (0.15 * between + 0.1 * within).ravel()
    return rows.assign(
        grad_l1_untied=rows["dimension"] ** exponent * np.exp(noise),
        of_isotropic=1.1 + noise,
        accuracy=np.repeat(accuracies, 5 * networks) + 0.1 * noise,
    )


EDGES = {
    "gradients_grow_after_training": "an exponent",
    "gradients_are_isotropic": "a mean",
    "accuracy_is_independent_of_dimension": "an extreme",
}


@pytest.mark.parametrize(("networks", "trials"), [(3, 100), (5, 60), (10, 30)])
@pytest.mark.parametrize("name", EDGES, ids=EDGES.values())
def test_at_an_edge_at_most_one_verdict_in_twenty_is_wrong(name, networks, trials):
    """The truth is an end of the range, where both verdicts together are the interval's errors."""
    random = np.random.default_rng(7)
    # One size apart, or two against two: without and with ties for the largest difference.
    accuracies = [0.7, 0.7, 0.7, 0.73] if networks == 5 else [0.7, 0.73, 0.73, 0.7]
    claim = BY_NAME[name]
    verdicts = [
        judge_rows(claim, trained(random, networks, 0.35, accuracies)).verdict
        for _ in range(trials)
    ]
    # Three Monte Carlo standard errors beyond .05 for both, .025 for each.
    decided = trials - verdicts.count("undecided")
    for count, nominal in (
        (decided, 0.05),
        (verdicts.count("holds"), 0.025),
        (verdicts.count("fails"), 0.025),
    ):
        assert count / trials <= nominal + 3 * math.sqrt(nominal * (1 - nominal) / trials)
