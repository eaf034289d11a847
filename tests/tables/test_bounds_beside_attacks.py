import numpy as np
import pandas as pd
import pytest

from advdim.catalogue.bounds import BOUNDS
from advdim.tables.bounds_beside_attacks import (
    BoundViolation,
    assert_sandwich,
    certified_accuracies,
    summarise_bounds,
    with_attacks,
)

CELL = {"dataset": "d", "network": "n", "size": 2, "method": "none", "epsilon": 0.0, "seed": 0}


def bounds(**columns):
    """Three images of d = 4 pixels; one normalised unit is half the pixel range."""
    return pd.DataFrame(
        {
            **CELL, "dimension": 4, "sample": range(3), "label": [0, 1, 0],
            "prediction": [0, 0, 0], "pixel_scale": 0.5, "published": [0.01, 5.0, 0.01],
            "sound": [0.1, 0.2, 0.3], "sound_kind": ["local", "patches", "local"],
            **dict.fromkeys(BOUNDS, np.nan), "patches": [0.01, 0.2, 0.01],
            "local": [0.1, np.nan, 0.3], **columns,
        }
    )  # fmt: skip


def attacks(attack="ddn_l2", norm_l2=(1.0, 2.0, np.nan), **columns):
    return pd.DataFrame(
        {
            **CELL, "attack": attack, "sample": range(3), "label": [0, 1, 0],
            "prediction": [0, 0, 0], "norm_l2": norm_l2, "norm_linf": norm_l2, **columns,
        }
    )  # fmt: skip


def test_the_smallest_verified_adversarial_counts():
    both = pd.concat([attacks(), attacks("deepfool_l2", norm_l2=(3.0, 0.5, np.nan))])
    rows = with_attacks(bounds(), both, None)
    assert list(rows["best_attack_l2"][:2]) == [1.0, 0.5]
    assert np.isnan(rows["best_attack_l2"][2])
    assert list(rows["best_attack"][:2]) == ["ddn_l2", "deepfool_l2"]
    assert list(rows["published_violated"]) == [False, True, False]


def test_fgsm_counts_up_to_its_largest_epsilon():
    # .5 normalised units are .25 of the pixel range: 63.75 grey levels.
    found = attacks("fgsm", norm_l2=(1.0, 2.0, 3.0), norm_linf=(0.5, 0.5, 1.0))
    assert list(with_attacks(bounds(), found, None)["fgsm_l2"]) == [1.0, 2.0, 3.0]
    limited = with_attacks(bounds(), found, 100.0)["fgsm_l2"]
    assert list(limited[:2]) == [1.0, 2.0]
    assert np.isnan(limited[2])


def test_a_violation_names_cell_and_sample():
    rows = with_attacks(bounds(), attacks(norm_l2=(1.0, 0.19, np.nan)), None)
    with pytest.raises(
        BoundViolation,
        match=r"dataset=d/.*/seed=0, sample 1: the sound bound patches is 0\.2, but ddn_l2",
    ):
        assert_sandwich(rows)


@pytest.mark.parametrize("value", [np.nan, -0.1])
def test_a_bound_that_is_no_radius_is_a_violation(value):
    with pytest.raises(BoundViolation, match="sample 2"):
        assert_sandwich(with_attacks(bounds(sound=[0.1, 0.2, value]), attacks(), None))


def test_rounding_is_no_violation():
    assert_sandwich(with_attacks(bounds(), attacks(norm_l2=(0.1 * (1 - 5e-7), 2, 3)), None))


def test_statistics_are_those_of_the_papers_tables():
    found = pd.concat([attacks(), attacks("fgsm", norm_l2=(4.0, 8.0, np.nan))])
    table = pd.DataFrame(summarise_bounds(with_attacks(bounds(), found, None)))
    table = table.set_index("quantity")
    assert list(table.index) == ["fgsm", "best_attack", "published", "sound", "patches", "local"]
    # Norms times .5 * 255 / 4.
    grey = 0.5 * 255 / 4
    fgsm = table.loc["fgsm"]
    assert (fgsm["samples"], fgsm["found"]) == (3, 2)
    assert fgsm["mean"] == pytest.approx(6 * grey)
    assert fgsm["std"] == pytest.approx(2 * grey)
    assert (fgsm["min"], fgsm["max"]) == (pytest.approx(4 * grey), pytest.approx(8 * grey))
    assert table.loc["sound", "median_pixel"] == pytest.approx(0.1)
    assert table.loc["sound", "decades"] == pytest.approx(1.0)
    assert table.loc["sound", "decades_fgsm"] == pytest.approx((np.log10(40) + np.log10(40)) / 2)
    assert (table.loc["local", "samples"], table.loc["patches", "samples"]) == (2, 3)
    assert list(table["violations"]) == [0, 0, 1, 0, 0, 0]
    assert table["accuracy"].eq(2 / 3).all()


def test_a_diverged_cell_has_no_rows():
    rows = with_attacks(bounds().iloc[:0], attacks().iloc[:0], 100.0)
    assert_sandwich(rows)
    assert not list(summarise_bounds(rows))


def test_certified_and_attacked_accuracy_at_a_threshold():
    rows = with_attacks(bounds(sound=[0.1, 0.2, 0.9]), attacks(norm_l2=(1.0, 0.5, np.nan)), None)
    rows = rows.assign(dimension=4, label=[0, 1, 1], prediction=[0, 1, 0])
    table = pd.DataFrame(certified_accuracies(rows, (0.3, 0.07, 0.3, 0.04)))
    assert list(table["threshold"]) == [0.04, 0.07, 0.3]
    assert list(table["radius"]) == pytest.approx([0.08, 0.14, 0.6])
    # By hand: the third image is wrong, so neither bound nor attack make it count.
    assert list(table["certified_accuracy"]) == pytest.approx([2 / 3, 1 / 3, 0])
    assert list(table["attacked_accuracy"]) == pytest.approx([2 / 3, 2 / 3, 1 / 3])
    assert not list(certified_accuracies(rows.iloc[:0], (0.3,)))


def test_images_that_no_attack_has_tried_are_not_right_under_attack():
    found = attacks(norm_l2=(0.2, 0.2, 0.2)).iloc[:1]
    rows = with_attacks(bounds(), found, None)
    assert list(rows["attacked"]) == [True, False, False]
    (row,) = certified_accuracies(rows, (0.2,))
    assert (row["samples"], row["attacked_accuracy"], row["certified_accuracy"]) == (1, 0, 0)


def test_without_attacks_certified_accuracies_are_of_all_images():
    rows = with_attacks(bounds(), attacks().iloc[:0], None)
    (row,) = certified_accuracies(rows, (0.04,))
    assert row["samples"] == 3
    assert row["certified_accuracy"] == pytest.approx(1 / 3 + 1 / 3)
    assert np.isnan(row["attacked_accuracy"])
