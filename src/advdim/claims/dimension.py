"""Claims of ICML 2019, Section 4.2, Figure 2: the input dimension."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from advdim.claims import needs
from advdim.claims.base import Claim, Select, Tables
from advdim.claims.intervals import Estimate
from advdim.claims.rows import last_epochs, trained_by_pgd, undefended
from advdim.claims.statistics import (
    differences,
    exponent,
    linearity,
    slope,
    slope_in_root_dimension,
)

FIGURE = "input_dimension"
# Strengths between which the growth is said to break, and the exponent from which on it is broken.
WEAK, STRONG, BROKEN = 0.0002, 0.0013, 0.1


def _undefended(tables: Tables, experiment: str) -> pd.DataFrame:
    return needs.sizes(undefended(last_epochs(tables, experiment)))


def _attacked(tables: Tables, experiment: str) -> pd.DataFrame:
    return needs.some_change(_undefended(tables, experiment))


def _at_three_sizes(tables: Tables, experiment: str) -> pd.DataFrame:
    return needs.sizes(undefended(last_epochs(tables, experiment)), 3)


def _by_strength(tables: Tables, experiment: str) -> pd.DataFrame:
    return needs.strengths(needs.sizes(trained_by_pgd(tables, experiment)), 3)


def _strongest(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = needs.strengths(needs.sizes(trained_by_pgd(tables, experiment)), 2)
    return rows[rows["epsilon"] == rows["epsilon"].max()]


def _none_and_strongest(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = needs.strengths(trained_by_pgd(tables, experiment), 2)
    return rows[rows["epsilon"].isin([0, rows["epsilon"].max()])]


def _about_the_break(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = needs.sizes(trained_by_pgd(tables, experiment))
    weak = rows.loc[rows["epsilon"].between(0, WEAK, inclusive="right"), "epsilon"]
    strong = rows.loc[rows["epsilon"] >= STRONG, "epsilon"]
    if not rows.empty and (weak.empty or strong.empty):
        raise needs.Undecidable(f"it takes a strength up to {WEAK:g} and one from {STRONG:g} on")
    return rows[rows["epsilon"].isin([weak.max(), strong.min()])]


def _with_lemma_2(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = last_epochs(tables, experiment)
    ratio = rows["damage"] / rows["attack_threshold"] / rows["grad_l1"]
    return rows.assign(ratio=ratio.replace([np.inf, -np.inf], np.nan))


def _trend_of_slopes(rows: pd.DataFrame) -> float:
    """Return the mean change, per step of strength, of the slope in sqrt(d) (least squares).

    A strength with networks of one size has no slope.
    """
    slopes = [
        slope_in_root_dimension(of_strength, "grad_l1_untied")
        for _, of_strength in rows.groupby("epsilon")
        if np.ptp(of_strength["size"]) > 0
    ]
    return slope(np.arange(len(slopes)), np.array(slopes)) if len(slopes) > 1 else math.nan


def _break_margin(rows: pd.DataFrame) -> dict[str, float]:
    """Return by how much the exponent is above the broken one before, and below it after."""
    strengths = sorted(rows["epsilon"].unique())
    if len(strengths) != 2:
        return {"": math.nan}
    weak, strong = strengths
    before, after = (exponent(group, "grad_l1_untied") for _, group in rows.groupby("epsilon"))
    return {f"strength {weak:g}": before - BROKEN, f"strength {strong:g}": BROKEN - after}


def _accuracy_fall(rows: pd.DataFrame) -> float:
    """Return the accuracy at the largest strength less that without a method."""
    means = rows.groupby("epsilon")["accuracy"].mean()
    return float(means.iloc[-1] - means.iloc[0]) if len(means) > 1 else math.nan


def _claim(
    name: str,
    sentence: str,
    source: str,
    statistic: str,
    low: float,
    high: float,
    select: Select,
    estimate: Estimate,
    extreme: str = "",
    range_source: str = "ours",
    correlation: bool = False,
) -> Claim:
    return Claim(
        name, sentence, f"ICML 2019, {source}", FIGURE, ("cells", "epochs"), statistic, low, high,
        select, estimate, extreme, range_source, correlation=correlation,
    )  # fmt: skip


CLAIMS = (
    _claim(
        "gradients_grow_after_training",
        "After usual training the l1-norm of the gradients still grows like sqrt(d).",
        "Section 4.2, Figure 2b (ties broken)",
        "exponent of the gradient norm, ties broken, in d",
        0.35, 0.65,
        _undefended, lambda rows: exponent(rows, "grad_l1_untied"),
    ),
    _claim(
        "gradients_grow_after_training_at_the_image",
        "The same for the gradient at the image itself.",
        "Section 4.2, Figure 2b (as the authors measured it)",
        "exponent of the gradient norm at the image in d",
        0.35, 0.65,
        _undefended, lambda rows: exponent(rows, "grad_l1"),
    ),
    _claim(
        "growth_is_linear_in_root_dimension",
        "The growth is linear in sqrt(d).",
        "Section 4.2, Figure 2b",
        "correlation of the gradient norms, ties broken, with sqrt(d) over the sizes",
        0.95, math.inf,
        _at_three_sizes, lambda rows: linearity(rows, "grad_l1_untied"), correlation=True,
    ),
    _claim(
        "vulnerability_grows_after_training",
        "After usual training the vulnerability grows like sqrt(d).",
        "Section 4.2, Figure 2a",
        "exponent of the vulnerability in d",
        0.25, 0.65,
        _attacked, lambda rows: exponent(rows, "vulnerability"),
    ),
    _claim(
        "damage_grows_after_training",
        "After usual training the damage grows like sqrt(d).",
        "Corollary 6, Figure 2a",
        "exponent of the damage in d",
        0.35, 0.65,
        _undefended, lambda rows: exponent(rows, "damage"),
    ),
    _claim(
        "slope_falls_with_strength",
        "The stronger PGD is, the smaller the slope of the gradient norm in sqrt(d).",
        "Section 4.2, Figure 2b",
        "mean change of that slope from one strength to the next",
        -math.inf, 0,
        _by_strength, _trend_of_slopes, range_source="paper",
    ),
    _claim(
        "strong_training_breaks_the_growth",
        "Strong enough PGD removes the dependence on the dimension.",
        "Section 4.2, Figure 2b",
        "exponent of the gradient norm, ties broken, in d at the largest strength",
        -math.inf, 0.15,
        _strongest, lambda rows: exponent(rows, "grad_l1_untied"),
    ),
    _claim(
        "growth_breaks_near_0005",
        "The dependence on the dimension breaks near a PGD strength of .0005.",
        "Section 4.2, Figure 2",
        f"exponent in d beyond {BROKEN:g} at the last strength up to {WEAK:g}, and short of it at "
        f"the first from {STRONG:g} on, whichever is less",
        0, math.inf,
        _about_the_break, _break_margin, "smallest",
    ),
    _claim(
        "accuracy_is_independent_of_dimension",
        "Without regularisation the accuracy does not depend on the dimension.",
        "Section 4.2, Figure 2c",
        "largest difference of accuracy between sizes",
        -math.inf, 0.03,
        _undefended,
        lambda rows: differences(rows.groupby("size")["accuracy"].mean()), "largest",
    ),
    _claim(
        "strong_training_costs_accuracy",
        "Beyond a plateau, the accuracy falls with PGD's strength.",
        "Section 4.2, Figure 2c",
        "accuracy at the largest strength less that without a method",
        -math.inf, 0,
        _none_and_strongest, _accuracy_fall, range_source="paper",
    ),
    _claim(
        "damage_is_first_order",
        "The damage over epsilon equals the dual norm of the gradient.",
        "Lemma 2",
        "mean of damage / epsilon over the l1-norm of the gradient at the image",
        0.85, 1.15,
        _with_lemma_2, lambda rows: float(rows["ratio"].mean()),
    ),
)  # fmt: skip
