"""Claims of ICML 2019, Section 4.2, Figure 2: the input dimension."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from advdim.claims.base import Claim, Select, Tables
from advdim.claims.rows import last_epochs, undefended
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
)  # fmt: skip
