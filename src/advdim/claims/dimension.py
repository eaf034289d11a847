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
    effects_of_groups,
    either_sign,
    exponent,
    linearity,
    means_by,
    means_of,
    slope,
)

FIGURE = "input_dimension"
# Strengths between which the growth is said to break, and the exponent from which on it is broken.
WEAK, STRONG, BROKEN = 0.0002, 0.0013, 0.1


def _undefended(tables: Tables, experiment: str) -> pd.DataFrame:
    return needs.sizes(undefended(last_epochs(tables, experiment)))


def _attacked(tables: Tables, experiment: str) -> pd.DataFrame:
    return needs.room_to_grow(needs.some_change(_undefended(tables, experiment)))


def _at_three_sizes(tables: Tables, experiment: str) -> pd.DataFrame:
    return needs.sizes(undefended(last_epochs(tables, experiment)), 3)


def _by_strength(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return the strengths, usual training among them, that have networks of several sizes."""
    rows = needs.sizes(trained_by_pgd(tables, experiment))
    several = rows.groupby("epsilon")["dimension"].transform("nunique") > 1
    return rows[several]


def _by_three_strengths(tables: Tables, experiment: str) -> pd.DataFrame:
    return needs.strengths(_by_strength(tables, experiment), 3, "at several sizes")


def _trade_offs(tables: Tables, experiment: str) -> pd.DataFrame:
    return needs.some_change(needs.strengths(_by_strength(tables, experiment), 2))


def _strongest(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = needs.strengths(trained_by_pgd(tables, experiment), 2)
    return needs.sizes(rows[rows["epsilon"] == rows["epsilon"].max()])


def _none_and_strongest(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return usual training and the largest strength, at the sizes of both."""
    rows = needs.strengths(trained_by_pgd(tables, experiment), 2)
    strongest = rows["epsilon"] == rows["epsilon"].max()
    plain = rows["size"].isin(rows.loc[strongest, "size"]) & (rows["method"] == "none")
    return rows[strongest | plain]


def _last_before_the_break(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = _by_strength(tables, experiment)
    weak = rows["epsilon"].between(0, WEAK, inclusive="right")
    return _at(rows, rows.loc[weak, "epsilon"].max(), f"up to {WEAK:g}")


def _first_after_the_break(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = _by_strength(tables, experiment)
    strong = rows["epsilon"] >= STRONG
    return _at(rows, rows.loc[strong, "epsilon"].min(), f"from {STRONG:g} on")


def _at(rows: pd.DataFrame, strength: float, asked: str) -> pd.DataFrame:
    """Return the rows of a strength; NaN is none."""
    if math.isnan(strength) and len(rows):
        raise needs.Undecidable(f"it takes a strength {asked} at several sizes")
    return rows[rows["epsilon"] == strength]


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


def _growth(rows: pd.DataFrame) -> float:
    """Return the exponent of the gradient norm, ties broken, in d."""
    return exponent(rows, "grad_l1_untied")


def _trend_of_exponents(rows: pd.DataFrame) -> float:
    """Return the mean change, per step of strength, of the exponent in d (least squares).

    Exponents are over the sizes of all strengths. Other than slopes, they do not fall where
    gradients are merely smaller at all sizes.
    """
    shared = set.intersection(*rows.groupby("epsilon")["size"].agg(set))
    rows = rows[rows["size"].isin(shared)]
    found = [_growth(group) for _, group in rows.groupby("epsilon")]
    return slope(np.arange(len(found)), np.array(found)) if len(found) > 1 else math.nan


def _unlike_accuracies(rows: pd.DataFrame) -> dict[str, float]:
    """Return how far apart two sizes' accuracies are at equal vulnerability."""
    sizes = rows["size"].astype(str) + " px"
    return effects_of_groups(rows["vulnerability"], rows["accuracy"], sizes)


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
        select=_undefended, estimate=_growth,
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
        name="growth_falls_with_strength",
        sentence="The stronger PGD is, the less the gradient norm grows with the dimension.",
        source="ICML 2019, Section 4.2, Figure 2b",
        statistic="mean change, from one strength to the next, of the exponent of the gradient "
        "norm, ties broken, in d",
        low=-math.inf, high=0,
        select=_by_three_strengths, estimate=_trend_of_exponents, range_source="paper",
    ),
    _claim(
        name="strong_training_breaks_the_growth",
        sentence="Strong enough PGD removes the dependence on the dimension.",
        source="ICML 2019, Section 4.2, Figure 2b",
        statistic="exponent of the gradient norm, ties broken, in d at the largest strength",
        low=-math.inf, high=0.15,
        select=_strongest, estimate=_growth,
    ),
    _claim(
        name="growth_survives_below_0005",
        sentence="Below a PGD strength of .0005 the dependence on the dimension is still there.",
        source="ICML 2019, Section 4.2, Figure 2",
        statistic="exponent of the gradient norm, ties broken, in d at the last strength up to "
        f"{WEAK:g}",
        low=BROKEN, high=math.inf,
        select=_last_before_the_break, estimate=_growth,
    ),
    _claim(
        name="growth_is_broken_beyond_0005",
        sentence="Beyond a PGD strength of .0005 the dependence on the dimension is broken.",
        source="ICML 2019, Section 4.2, Figure 2",
        statistic="exponent of the gradient norm, ties broken, in d at the first strength from "
        f"{STRONG:g} on",
        low=-math.inf, high=BROKEN,
        select=_first_after_the_break, estimate=_growth,
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
        name="trade_offs_are_independent_of_dimension",
        sentence="At equal vulnerability, the accuracy does not depend on the dimension.",
        source="ICML 2019, Section 4.2, Figure 2d",
        statistic="largest difference between two sizes' accuracies at equal vulnerability, by a "
        "cubic in it",
        low=-math.inf, high=0.03,
        select=_trade_offs, estimate=_unlike_accuracies, extreme="largest",
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
