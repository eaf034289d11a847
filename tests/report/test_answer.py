from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from advdim.report.answer import growths, lost

EPOCHS = (7, 8, 9)


def sweep(measures, networks=("pooled",), missing=(), flagged=()):
    """Return tables of one experiment ``e``.

    ``measures`` maps (method, epsilon, size) to, per seed, gradient norm, vulnerability, accuracy;
    the middle one of three epochs has them. ``missing`` and ``flagged`` are (method, size, seed).
    """
    cells, epochs = [], []
    for network in networks:
        for (method, epsilon, size), of_seeds in measures.items():
            for seed, values in enumerate(of_seeds):
                cell = {
                    "dataset": "invented", "network": network, "size": size, "method": method,
                    "epsilon": epsilon, "seed": seed,
                }  # fmt: skip
                ended = "failed" if (method, size, seed) in missing else "done"
                cells.append({
                    **cell, "status": ended, "experiments": ["e"], "dimension": size**2,
                    "attack_threshold": 0.02, "dampening": 1.0,
                    "flags": ["zero_gradients"] if (method, size, seed) in flagged else [],
                })  # fmt: skip
                for epoch in EPOCHS:
                    names = ("grad_l1_untied", "vulnerability", "accuracy")
                    factor = 1 + (epoch - EPOCHS[1]) / 10
                    epochs.append({
                        **cell, "epoch": epoch, "split": "test", "summarised": True,
                        **{name: factor * v for name, v in zip(names, values, strict=True)},
                    })  # fmt: skip
    return {"cells": pd.DataFrame(cells), "epochs": pd.DataFrame(epochs)}


def drawn(seeds, gradient, vulnerability, accuracy=0.9, seed=0, spread=0.02):
    random = np.random.default_rng(seed)
    return [
        tuple(np.array([gradient, vulnerability, accuracy]) * random.normal(1, spread, 3))
        for _ in range(seeds)
    ]


SMALL, MIDDLE, LARGE = drawn(4, 5, 0.1), drawn(4, 9, 0.9), drawn(3, 20, 0.3, seed=2)
PLAIN = {("none", 0.0, 8): SMALL, ("none", 0.0, 16): MIDDLE, ("none", 0.0, 32): LARGE}


def test_the_middle_size_and_the_spread_over_epochs_do_not_count():
    (growth,) = growths(sweep(PLAIN), "e")
    assert (growth.method, growth.epsilon, growth.sizes) == ("none", 0.0, (8, 32))
    assert growth.root_dimension == pytest.approx(4)
    assert (growth.networks, growth.threshold, growth.missing) == (3, 0.02, 0)
    small, large = np.mean(SMALL, axis=0), np.mean(LARGE, axis=0)
    norm, share, accuracy = growth.gradient_norm, growth.vulnerability, growth.accuracy
    assert (norm.smallest, norm.largest) == pytest.approx((small[0], large[0]))
    assert norm.change == pytest.approx(large[0] / small[0])
    assert (share.smallest, share.change) == pytest.approx((small[1], large[1] - small[1]))
    assert (accuracy.smallest, accuracy.largest) == pytest.approx((small[2], large[2]))


def test_what_no_network_survived_is_told():
    """A stronger training, or all without a method; not a weaker one than the answer's."""
    strengths = (0.01, 0.02, 0.04)
    trained = {("pgd_linf", s, size): SMALL for s in strengths for size in (8, 32)}
    tables = sweep({**PLAIN, **trained})
    assert lost(tables, "e") == []
    cells = tables["cells"]
    cells.loc[cells["epsilon"].isin([0.01, 0.04]), "status"] = "diverged"
    (found,) = lost(tables, "e")
    assert (found.network, found.method, found.epsilon) == ("pooled", "pgd_linf", 0.04)
    assert found.networks == 2 * len(SMALL)
    cells["status"] = "failed"
    assert [(found.method, found.epsilon) for found in lost(tables, "e")] == [
        ("none", 0.0), ("pgd_linf", 0.01), ("pgd_linf", 0.02), ("pgd_linf", 0.04)
    ]  # fmt: skip
    assert lost(tables, "another") == []


def test_the_interval_of_a_difference_is_welchs():
    (growth,) = growths(sweep(PLAIN), "e")
    of = [[values[1] for values in group] for group in (LARGE, SMALL)]
    welch = stats.ttest_ind(*of, equal_var=False).confidence_interval()
    found = growth.vulnerability
    assert (found.low, found.high) == pytest.approx((welch.low, welch.high))
    assert found.trend == "grows"


def test_the_interval_of_a_factor_is_welchs_of_logarithms():
    """Where networks differ little, log of the mean and mean of the log are the same."""
    (growth,) = growths(sweep(PLAIN), "e")
    of = [[math.log(values[0]) for values in group] for group in (LARGE, SMALL)]
    welch = stats.ttest_ind(*of, equal_var=False).confidence_interval()
    found = growth.gradient_norm
    assert found.low == pytest.approx(math.exp(welch.low), rel=0.005)
    assert found.high == pytest.approx(math.exp(welch.high), rel=0.005)
    assert found.low < 4 < found.high


@pytest.mark.parametrize(
    ("small", "large", "trend"), [(20, 5, "falls"), (5, 20, "grows"), (5, 5, "neither")]
)
def test_a_trend_is_what_the_interval_leaves(small, large, trend):
    measures = {
        ("none", 0.0, 8): drawn(3, small, small / 100),
        ("none", 0.0, 32): drawn(3, large, large / 100, seed=1),
    }
    (growth,) = growths(sweep(measures), "e")
    assert growth.gradient_norm.trend == growth.vulnerability.trend == trend


def test_two_networks_of_a_size_give_no_interval():
    measures = {**PLAIN, ("none", 0.0, 32): LARGE[:2]}
    (growth,) = growths(sweep(measures), "e")
    assert (growth.networks, growth.has_interval) == (2, False)
    for change in (growth.gradient_norm, growth.vulnerability):
        assert math.isfinite(change.change)
        assert math.isnan(change.low)
        assert change.trend == ""


def test_the_strongest_training_of_every_method_and_architecture_is_named():
    measures = {
        **PLAIN,
        ("pgd_linf", 0.01, 8): SMALL,
        ("pgd_linf", 0.01, 32): LARGE,
        ("pgd_linf", 0.1, 8): LARGE,
        ("pgd_linf", 0.1, 32): LARGE,
        ("cross_lipschitz", 5.0, 16): MIDDLE,
    }
    found = growths(sweep(measures, networks=("pooled", "strided")), "e")
    named = [(growth.network, growth.method, growth.epsilon, growth.sizes) for growth in found]
    one = [("none", 0.0, (8, 32)), ("pgd_linf", 0.1, (8, 32)), ("cross_lipschitz", 5.0, (16, 16))]
    assert named == [(network, *rest) for network in ("pooled", "strided") for rest in one]
    assert found[1].gradient_norm.change == pytest.approx(1)
    assert found[2].gradient_norm.trend == ""


def test_while_the_strongest_training_is_there_at_one_size_the_growth_is_that_of_a_weaker_one():
    trained = {("pgd_linf", 0.003, size): SMALL for size in (8, 32)}
    one_size = {("pgd_linf", epsilon, 8): SMALL for epsilon in (0.001, 0.01, 0.1)}
    found = growths(sweep({**PLAIN, **trained, **one_size}), "e")
    named = [(growth.method, growth.epsilon, growth.sizes) for growth in found]
    assert named == [
        ("none", 0.0, (8, 32)), ("pgd_linf", 0.003, (8, 32)), ("pgd_linf", 0.1, (8, 8))
    ]  # fmt: skip


def test_networks_that_failed_are_counted_and_left_out():
    (growth,) = growths(sweep(PLAIN, missing=[("none", 8, 0), ("none", 16, 1)]), "e")
    # The one of 16 pixels is in no number anyway.
    assert (growth.missing, growth.networks) == (1, 3)
    assert growth.gradient_norm.smallest == pytest.approx(np.mean(SMALL[1:], axis=0)[0])


def test_networks_whose_numbers_carry_a_flag_are_counted():
    (growth,) = growths(
        sweep(PLAIN, flagged=[("none", 8, 0), ("none", 8, 2), ("none", 16, 1)]), "e"
    )
    # The one of 16 pixels is in no number.
    assert growth.flagged == 2


def test_an_end_of_which_all_networks_failed_moves_in_and_is_counted():
    failed = [("none", 32, seed) for seed in range(3)]
    (growth,) = growths(sweep(PLAIN, missing=failed), "e")
    assert (growth.sizes, growth.missing) == ((8, 16), 3)


@pytest.mark.parametrize(("share", "saturated"), [(0.002, True), (0.4, False), (0.998, True)])
def test_an_attack_that_changes_nothing_or_everything_tells_nothing(share, saturated):
    measures = {("none", 0.0, size): drawn(3, 5, share, spread=1e-4) for size in (8, 32)}
    (growth,) = growths(sweep(measures), "e")
    assert growth.saturated == saturated


def test_without_a_finished_network_there_is_no_growth():
    tables = sweep({("none", 0.0, 8): SMALL[:1]}, missing=[("none", 8, 0)])
    assert growths(tables, "e") == []
    assert growths(tables, "another") == []


def test_a_measure_that_is_unknown_stays_unknown():
    unknown = [(math.nan, 0.1, 0.9)] * 3
    (growth,) = growths(sweep({("none", 0.0, 8): unknown, ("none", 0.0, 32): unknown}), "e")
    assert math.isnan(growth.gradient_norm.change)
    assert growth.vulnerability.change == pytest.approx(0)
