import numpy as np
import pandas as pd
import pytest

from advdim.tables.attack_summaries import ladder, summarise_attack

CELL = {"dataset": "d", "network": "n", "size": 2, "method": "none", "epsilon": 0.0, "seed": 0}


def rows(norm="l2", ascended=(True, True, True, True)):
    """Four images: one resists, one is changed, one was wrong, one is changed late."""
    return pd.DataFrame(
        {
            **CELL, "attack": "pgd_l2", "effort": "", "norm": norm, "dimension": 4,
            "sample": range(4), "label": [0, 0, 1, 0], "prediction": [0, 0, 0, 0],
            "loss": [0.1, 0.1, 2.0, 0.1], "first_order": [0.2, 0.4, 0.6, 0.3],
            "norm_linf": [np.nan, 0.1, 0.2, 0.5], "norm_l2": [np.nan, 0.2, 0.4, 1.0],
            "thresholds": [[0.1, 0.4]] * 4,
            "success": [[False, False], [True, True], [True, True], [False, True]],
            "adversarial_predictions": [[0, 0], [1, 1], [1, 1], [0, 1]],
            "label_attack_predictions": [[0, 0], [1, 1], [0, 0], [0, 1]], "ascended": ascended,
            "flags": [["random"]] * 4,
            "adversarial_losses": [[0.2, 0.3], [1.1, 2.1], [0.5, 0.4], [0.2, 1.1]],
        }
    )  # fmt: skip


def test_the_summary_of_four_images_by_hand():
    first, second = summarise_attack(rows())
    assert (first["vulnerability"], second["vulnerability"]) == (0.5, 0.75)
    # Image 2 was wrong: raising the loss of its label changes nothing.
    assert (first["vulnerability_of_label"], second["vulnerability_of_label"]) == (0.25, 0.5)
    assert (first["accuracy"], first["adversarial_accuracy"]) == (0.75, 0.5)
    assert first["flags"] == ["random"]
    assert second["radius"] == pytest.approx(0.4 * 2)
    assert (first["reported"], second["reported"]) == (True, False)
    assert first["ascended"] == 4
    assert first["damage"] == pytest.approx((0.1 + 1.0 - 1.5 + 0.1) / 4)
    assert first["first_order"] == pytest.approx(1.5 / 4)
    assert second["first_order"] == pytest.approx(4 * 1.5 / 4)
    assert first["found"] == 0.75
    # In order: .1, .2, .5 and none found.
    assert first["norm_linf_median"] == pytest.approx(0.35)


def test_an_image_without_a_prediction_is_not_one_without_an_adversarial():
    first, _ = summarise_attack(rows().assign(prediction=[-1, 0, 0, 0]))
    assert first["found"] == 1
    # Of .1, .2 and .5.
    assert first["norm_linf_median"] == pytest.approx(0.2)
    assert first["vulnerability"] == pytest.approx(2 / 3)


def test_a_threshold_that_is_given_twice_has_one_row():
    twice = rows().assign(thresholds=[[0.1, 0.1]] * 4)
    (row,) = summarise_attack(twice)
    assert (row["threshold"], row["reported"]) == (0.1, True)


def test_thresholds_keep_their_order():
    reversed_ = rows().assign(thresholds=[[0.4, 0.1]] * 4)
    assert [row["threshold"] for row in summarise_attack(reversed_)] == [0.4, 0.1]


def test_images_whose_loss_the_attack_does_not_raise_have_no_damage():
    first, _ = summarise_attack(rows(ascended=(True, True, False, True)))
    assert first["ascended"] == 3
    assert first["damage"] == pytest.approx((0.1 + 1.0 + 0.1) / 3)
    assert first["first_order"] == pytest.approx(0.3)


def test_a_median_among_what_was_not_found_is_unknown():
    most_resist = rows().assign(norm_linf=[np.nan, np.nan, np.nan, 0.1])
    assert np.isnan(next(summarise_attack(most_resist))["norm_linf_median"])


def test_a_diverged_cell_has_no_summary():
    assert list(summarise_attack(rows().iloc[:0])) == []


def test_the_ladder_has_the_gradient_and_two_measures_per_attack():
    cells = pd.DataFrame(
        [{**CELL, "dimension": 4, "grad_l1_median": 3.0, "grad_l1_untied_median": 5.0}] * 1
        + [{**CELL, "seed": 1, "dimension": 4, "grad_l1_median": 3.0, "grad_l1_untied_median": 5.0}]
    )
    summaries = pd.DataFrame(summarise_attack(rows(norm="linf").assign(attack="fgsm")))
    found = pd.DataFrame(ladder(cells, summaries))
    assert set(found["seed"]) == {0}
    values = found.set_index(["rung", "measure"])["value"]
    assert values["gradient", "grad_l1_untied"] == 5.0
    assert values["fgsm", "vulnerability"] == 0.5
    assert values["fgsm", "inverse_norm"] == pytest.approx(1 / 0.35)
