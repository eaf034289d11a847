"""Claims of ICML 2019, Section 4.2 and Figures 2, 8, 10 and 12: the input dimension."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from advdim.claims.base import Claim, Select, Tables
from advdim.claims.rows import KEYS, epochs, last_epochs, undefended
from advdim.claims.statistics import (
    exponent,
    linearity,
    rank_correlation,
    slope_in_root_dimension,
)

FIGURE = "input_dimension"
SIZES = ("dimension",)
NETWORK_EPOCHS = ("seed", "epoch")


def _undefended_epochs(tables: Tables, experiment: str) -> pd.DataFrame:
    return undefended(last_epochs(tables, experiment))


def _strongest_epochs(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = last_epochs(tables, experiment)
    strongest = rows["epsilon"].max()
    return rows[rows["epsilon"] == strongest] if strongest > 0 else rows.iloc[:0]


def _slopes(rows: pd.DataFrame) -> float:
    """Return the rank correlation of the slope in sqrt(d) with the strength."""
    slopes = {
        epsilon: slope_in_root_dimension(group, "grad_l1_untied")
        for epsilon, group in rows.groupby("epsilon")
    }
    series = pd.Series(slopes)
    return rank_correlation(pd.Series(series.index), series.reset_index(drop=True))


def _breaking_strength(rows: pd.DataFrame) -> float:
    """Return the smallest strength at which the exponent in d is below .1."""
    for epsilon, group in rows.groupby("epsilon"):
        found = exponent(group, "grad_l1_untied")
        if math.isfinite(found) and found < 0.1:
            return float(epsilon)  # type: ignore[arg-type]
    return math.nan


def _accuracy_range(rows: pd.DataFrame) -> float:
    """Return the largest difference of median accuracies between sizes."""
    medians = rows.groupby("dimension")["accuracy"].median()
    return float(medians.max() - medians.min()) if len(medians) > 1 else math.nan


def _accuracy_fall(rows: pd.DataFrame) -> float:
    """Return the accuracy at the largest strength less that without a method."""
    medians = rows.groupby("epsilon")["accuracy"].median()
    return float(medians.iloc[-1] - medians.iloc[0]) if len(medians) > 1 else math.nan


def _lemma_2(rows: pd.DataFrame) -> float:
    """Return the median of damage / epsilon over the l1-norm of the gradient at the image."""
    ratio = rows["damage"] / rows["attack_epsilon"] / rows["grad_l1"]
    return float(ratio.replace([np.inf, -np.inf], np.nan).median())


def _overfitting(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return, per undefended cell, how measures at its lowest test loss differ from the last.

    Cells whose test loss is lowest in the last epoch say nothing on what comes after.
    """
    rows = undefended(epochs(tables, experiment))
    rows = rows[(rows["split"] == "test") & (rows["epoch"] >= 0)]
    found = []
    for identity, group in rows.groupby(KEYS):
        group = group.sort_values("epoch")
        best, last = group.iloc[int(group["loss"].argmin())], group.iloc[-1]
        later = last["epoch"] > best["epoch"]
        found.append(
            {
                **dict(zip(KEYS, identity, strict=True)),
                "loss_rise": last["loss"] - best["loss"],
                "error_change": best["accuracy"] - last["accuracy"] if later else math.nan,
                "early_share": best["vulnerability"] / last["vulnerability"]
                if later and last["vulnerability"] > 0
                else math.nan,
            }
        )
    return pd.DataFrame(found)


def _gaps(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return test and train gradient norms of the last epochs of usual training, and their gap."""
    rows = undefended(epochs(tables, experiment))
    rows = rows[rows["summarised"]]
    wide = rows.pivot_table(
        index=[*KEYS, "dimension", "epoch"], columns="split", values="grad_l1_untied"
    ).reset_index()
    if wide.empty:
        return wide
    return wide.assign(gap=wide["test"] - wide["train"], ratio=wide["test"] / wide["train"])


def _vulnerability_follows_loss(rows: pd.DataFrame) -> float:
    """Return the median, over networks, of the rank correlation of damage and test loss."""
    found = [
        rank_correlation(group["damage"], group["loss"])
        for _, group in rows.groupby(["size", "seed"])
    ]
    known = [value for value in found if math.isfinite(value)]
    return float(np.median(known)) if known else math.nan


def _undefended_curve(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = undefended(epochs(tables, experiment))
    return rows[(rows["split"] == "test") & (rows["epoch"] >= 0)]


def _claim(
    name: str,
    sentence: str,
    source: str,
    statistic: str,
    low: float,
    high: float,
    select: Select,
    estimate: object,
    tables: tuple[str, ...] = ("cells", "epochs"),
    units: tuple[str, ...] = NETWORK_EPOCHS,
    strata: tuple[str, ...] = SIZES,
) -> Claim:
    return Claim(
        name, sentence, f"ICML 2019, {source}", FIGURE, tables, statistic, low, high, select,
        estimate,  # type: ignore[arg-type]
        units, strata,
    )  # fmt: skip


CLAIMS = (
    _claim(
        "gradients_grow_after_training",
        "After usual training the l1-norm of the gradients still grows like sqrt(d).",
        "Section 4.2, Figure 2b (ties broken)",
        "exponent of the gradient norm, ties broken, in d",
        0.35, 0.65,
        _undefended_epochs, lambda rows: exponent(rows, "grad_l1_untied"),
    ),
    _claim(
        "gradients_grow_after_training_at_the_image",
        "The same for the gradient at the image itself.",
        "Section 4.2, Figure 2b (as the authors measured it)",
        "exponent of the gradient norm at the image in d",
        0.35, 0.65,
        _undefended_epochs, lambda rows: exponent(rows, "grad_l1"),
    ),
    _claim(
        "growth_is_linear_in_root_dimension",
        "The growth is linear in sqrt(d).",
        "Section 4.2, Figure 2b",
        "R squared of a line in sqrt(d) through the gradient norms, ties broken",
        0.9, 1,
        _undefended_epochs, lambda rows: linearity(rows, "grad_l1_untied"),
    ),
    _claim(
        "vulnerability_grows_after_training",
        "After usual training the vulnerability grows like sqrt(d).",
        "Section 4.2, Figure 2a",
        "exponent of the vulnerability in d",
        0.25, 0.65,
        _undefended_epochs, lambda rows: exponent(rows, "vulnerability"),
    ),
    _claim(
        "damage_grows_after_training",
        "After usual training the damage grows like sqrt(d).",
        "Corollary 6, Figure 2a",
        "exponent of the damage in d",
        0.35, 0.65,
        _undefended_epochs, lambda rows: exponent(rows, "damage"),
    ),
    _claim(
        "slope_falls_with_strength",
        "The stronger PGD is, the smaller the slope of the gradient norm in sqrt(d).",
        "Section 4.2, Figure 2b",
        "rank correlation of the slope with the strength",
        -1, -0.8,
        last_epochs, _slopes, strata=("dimension", "epsilon"),
    ),
    _claim(
        "strong_training_breaks_the_growth",
        "Strong enough PGD removes the dependence on the dimension.",
        "Section 4.2, Figure 2b",
        "exponent of the gradient norm, ties broken, in d at the largest strength",
        -math.inf, 0.15,
        _strongest_epochs, lambda rows: exponent(rows, "grad_l1_untied"),
    ),
    _claim(
        "growth_breaks_near_0005",
        "The dependence on the dimension breaks near a PGD strength of .0005.",
        "Section 4.2, Figure 2",
        "smallest strength at which the exponent in d is below .1",
        0.0002, 0.0013,
        last_epochs, _breaking_strength, strata=("dimension", "epsilon"),
    ),
    _claim(
        "accuracy_is_independent_of_dimension",
        "Without regularisation the accuracy does not depend on the dimension.",
        "Section 4.2, Figure 2c",
        "largest difference of accuracy between sizes",
        0, 0.03,
        _undefended_epochs, _accuracy_range,
    ),
    _claim(
        "strong_training_costs_accuracy",
        "Beyond a plateau, the accuracy falls with PGD's strength.",
        "Section 4.2, Figure 2c",
        "accuracy at the largest strength less that without a method",
        -1, -0.01,
        last_epochs, _accuracy_fall, strata=("dimension", "epsilon"),
    ),
    _claim(
        "damage_is_first_order",
        "The damage over epsilon equals the dual norm of the gradient.",
        "Lemma 2",
        "median of damage / epsilon over the l1-norm of the gradient at the image",
        0.85, 1.15,
        last_epochs, _lemma_2, strata=("dimension", "epsilon"),
    ),
    _claim(
        "vulnerability_follows_the_loss",
        "Over the epochs the damage follows the test cross-entropy.",
        "Appendix, Figure 8",
        "median over networks of the rank correlation of damage and test loss over epochs",
        0.5, 1,
        _undefended_curve, _vulnerability_follows_loss,
    ),
    _claim(
        "loss_rises_again",
        "The test cross-entropy rises late in training.",
        "Appendix, Figure 8c",
        "rise of the test loss from its minimum to the last epoch, in nats",
        0.01, math.inf,
        _overfitting, lambda rows: float(rows["loss_rise"].median()), units=(), strata=(),
    ),
    _claim(
        "error_keeps_falling",
        "The test error keeps falling where the cross-entropy rises.",
        "Appendix, Figure 8a",
        "change of the test error from the minimum of the test loss to the last epoch",
        -1, 0,
        _overfitting, lambda rows: float(rows["error_change"].median()), units=(), strata=(),
    ),
    _claim(
        "early_stopping_defends",
        "Stopping at the lowest test cross-entropy lowers the vulnerability.",
        "Appendix, Figure 10",
        "vulnerability at the lowest test loss over that of the last epoch",
        0, 0.95,
        _overfitting, lambda rows: float(rows["early_share"].median()), units=(), strata=(),
    ),
    _claim(
        "test_gradients_exceed_train",
        "After training, gradients are larger on test images than on training images.",
        "Appendix, Figure 12",
        "median ratio of test and train gradient norms, ties broken",
        1.05, math.inf,
        _gaps, lambda rows: float(rows["ratio"].median()) if len(rows) else math.nan,
    ),
    _claim(
        "gap_grows_with_dimension",
        "The gap between test and train gradient norms grows like sqrt(d).",
        "Appendix, Figure 12",
        "exponent of the gap in d",
        0.35, 0.65,
        _gaps, lambda rows: exponent(rows, "gap"),
    ),
)  # fmt: skip
