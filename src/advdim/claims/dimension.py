"""Claims of ICML 2019, Section 4.2, Figure 2: the input dimension."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pandas as pd

from advdim.claims import needs
from advdim.claims.base import Claim, Tables
from advdim.claims.rows import last_epochs, trained_by_pgd, undefended
from advdim.claims.statistics import (
    differences,
    either_sign,
    exponent,
    linearity,
    means_by,
    means_of,
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
    rows = needs.strengths(trained_by_pgd(tables, experiment), 2)
    return needs.sizes(rows[rows["epsilon"] == rows["epsilon"].max()])


def _none_and_strongest(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return usual training and the largest strength, at the sizes of both."""
    rows = needs.strengths(trained_by_pgd(tables, experiment), 2)
    strongest = rows["epsilon"] == rows["epsilon"].max()
    plain = rows["size"].isin(rows.loc[strongest, "size"]) & (rows["method"] == "none")
    return rows[strongest | plain]


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


def _first_order_deviations(rows: pd.DataFrame) -> dict[str, float]:
    """Return, per setting, how far the damage is from its first-order prediction (log)."""
    means = np.log(means_of(rows, "ratio", ["network", "size", "method", "epsilon"]))
    return either_sign(
        {
            f"{network}, {size} px, {method} {epsilon:g}": float(deviation)
            for (network, size, method, epsilon), deviation in means.items()
        }
    )


def _trend_of_slopes(rows: pd.DataFrame) -> float:
    """Return the mean change, per step of strength, of the slope in sqrt(d) (least squares).

    A strength with networks of one size has no slope; the others' are over the sizes of all.
    """
    sizes = rows.groupby("epsilon")["size"].agg(set)
    several = sizes[sizes.map(len) > 1]
    if len(several) < 2:
        return math.nan
    shared = rows[rows["size"].isin(set.intersection(*several))]
    slopes = [
        slope_in_root_dimension(shared[shared["epsilon"] == epsilon], "grad_l1_untied")
        for epsilon in several.index
    ]
    return slope(np.arange(len(slopes)), np.array(slopes))


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
    means = means_by(rows, "accuracy", "epsilon")
    if len(means.columns) < 2:
        return math.nan
    return float((means[means.columns[-1]] - means[means.columns[0]]).mean())


_claim = partial(Claim, figure=FIGURE)

CLAIMS = (
    _claim(
        name="gradients_grow_after_training",
        sentence="After usual training the l1-norm of the gradients still grows like sqrt(d).",
        source="ICML 2019, Section 4.2, Figure 2b (ties broken)",
        statistic="exponent of the gradient norm, ties broken, in d",
        low=0.35, high=0.65,
        select=_undefended, estimate=lambda rows: exponent(rows, "grad_l1_untied"),
    ),
    _claim(
        name="gradients_grow_after_training_at_the_image",
        sentence="The same for the gradient at the image itself.",
        source="ICML 2019, Section 4.2, Figure 2b (as the authors measured it)",
        statistic="exponent of the gradient norm at the image in d",
        low=0.35, high=0.65,
        select=_undefended, estimate=lambda rows: exponent(rows, "grad_l1"),
    ),
    _claim(
        name="growth_is_linear_in_root_dimension",
        sentence="The growth is linear in sqrt(d).",
        source="ICML 2019, Section 4.2, Figure 2b",
        statistic="correlation of the gradient norms, ties broken, with sqrt(d) over the sizes",
        low=0.95, high=math.inf,
        select=_at_three_sizes, estimate=lambda rows: linearity(rows, "grad_l1_untied"),
        correlation="of means",
    ),
    _claim(
        name="vulnerability_grows_after_training",
        sentence="After usual training the vulnerability grows like sqrt(d).",
        source="ICML 2019, Section 4.2, Figure 2a",
        statistic="exponent of the vulnerability in d",
        low=0.25, high=0.65,
        select=_attacked, estimate=lambda rows: exponent(rows, "vulnerability"),
    ),
    _claim(
        name="damage_grows_after_training",
        sentence="After usual training the damage grows like sqrt(d).",
        source="ICML 2019, Corollary 6, Figure 2a",
        statistic="exponent of the damage in d",
        low=0.35, high=0.65,
        select=_undefended, estimate=lambda rows: exponent(rows, "damage"),
    ),
    _claim(
        name="slope_falls_with_strength",
        sentence="The stronger PGD is, the smaller the slope of the gradient norm in sqrt(d).",
        source="ICML 2019, Section 4.2, Figure 2b",
        statistic="mean change of that slope from one strength to the next",
        low=-math.inf, high=0,
        select=_by_strength, estimate=_trend_of_slopes, range_source="paper",
    ),
    _claim(
        name="strong_training_breaks_the_growth",
        sentence="Strong enough PGD removes the dependence on the dimension.",
        source="ICML 2019, Section 4.2, Figure 2b",
        statistic="exponent of the gradient norm, ties broken, in d at the largest strength",
        low=-math.inf, high=0.15,
        select=_strongest, estimate=lambda rows: exponent(rows, "grad_l1_untied"),
    ),
    _claim(
        name="growth_breaks_near_0005",
        sentence="The dependence on the dimension breaks near a PGD strength of .0005.",
        source="ICML 2019, Section 4.2, Figure 2",
        statistic=f"exponent in d beyond {BROKEN:g} at the last strength up to {WEAK:g}, and "
        f"short of it at "
        f"the first from {STRONG:g} on, whichever is less",
        low=0, high=math.inf,
        select=_about_the_break, estimate=_break_margin, extreme="smallest",
    ),
    _claim(
        name="accuracy_is_independent_of_dimension",
        sentence="Without regularisation the accuracy does not depend on the dimension.",
        source="ICML 2019, Section 4.2, Figure 2c",
        statistic="largest difference of accuracy between sizes",
        low=-math.inf, high=0.03,
        select=_undefended,
        estimate=lambda rows: differences(rows, "accuracy", "size"),
        extreme="largest",
    ),
    _claim(
        name="strong_training_costs_accuracy",
        sentence="Beyond a plateau, the accuracy falls with PGD's strength.",
        source="ICML 2019, Section 4.2, Figure 2c",
        statistic="accuracy at the largest strength less that without a method",
        low=-math.inf, high=0,
        select=_none_and_strongest, estimate=_accuracy_fall, range_source="paper",
    ),
    _claim(
        name="damage_is_first_order",
        sentence="The damage over epsilon equals the dual norm of the gradient.",
        source="ICML 2019, Lemma 2",
        statistic="largest absolute log, over settings, of damage / epsilon over the l1-norm of "
        "the gradient at the image",
        low=-math.inf, high=0.15,
        select=_with_lemma_2, estimate=_first_order_deviations, extreme="largest",
    ),
)  # fmt: skip
