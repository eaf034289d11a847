"""Claims of ICML 2019, Section 4.1 and Figure 1: the training methods."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pandas as pd

from advdim.claims import needs
from advdim.claims.base import Claim, Select, Tables
from advdim.claims.intervals import Estimate
from advdim.claims.rows import curves, last_epochs
from advdim.claims.statistics import (
    effects_of_groups,
    either_sign,
    linear_correlation,
    log_ratios,
    means_by,
    means_of,
    rank_correlation,
)

# Strengths of Eq. 18 are in units of their own.
OWN_UNITS = "cross_lipschitz"


def _trained(tables: Tables, experiment: str) -> pd.DataFrame:
    return needs.strengths(last_epochs(tables, experiment), 2)


def _attacked(tables: Tables, experiment: str) -> pd.DataFrame:
    return needs.some_change(_trained(tables, experiment))


def _curves(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = curves(needs.strengths(last_epochs(tables, experiment), 3))
    strengths = rows.groupby("curve")["epsilon"].transform("nunique")
    if len(rows) and not (strengths >= 3).any():
        raise needs.Undecidable("no method was trained at 3 strengths, usual training included")
    return rows[strengths >= 3]


def _attacked_curves(tables: Tables, experiment: str) -> pd.DataFrame:
    return needs.some_change(_curves(tables, experiment))


def _pair(first: str, second: str) -> Select:
    def select(tables: Tables, experiment: str) -> pd.DataFrame:
        rows = needs.methods(last_epochs(tables, experiment), first, second)
        rows = rows[rows["method"].isin([first, second])]
        strengths = rows.groupby("epsilon")["method"].transform("nunique")
        if len(rows) and not (strengths == 2).any():
            raise needs.Undecidable(f"{first} and {second} have no strength in common")
        return rows[strengths == 2]

    return select


def _with_cross_lipschitz(tables: Tables, experiment: str) -> pd.DataFrame:
    return needs.methods(_attacked(tables, experiment), OWN_UNITS)


def _without_cross_lipschitz(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = _attacked(tables, experiment)
    return rows[rows["method"] != OWN_UNITS]


def _ratios(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = last_epochs(tables, experiment)
    ratio = rows["grad_l1"] / rows["grad_l2"]
    return rows.assign(ratio=ratio, of_isotropic=ratio / np.sqrt(2 * rows["dimension"] / math.pi))


def _ratios_by_method(tables: Tables, experiment: str) -> pd.DataFrame:
    return needs.strengths(_ratios(tables, experiment), 2)


def _strength_correlation(value: str) -> Estimate:
    """Return the estimate: the rank correlation of a measure with the strength, per method."""
    return lambda rows: {
        str(curve): rank_correlation(group["epsilon"], group[value])
        for curve, group in rows.groupby("curve")
    }


def _dual(first: str, second: str) -> Estimate:
    return lambda rows: either_sign(log_ratios(rows, first, second, "grad_l1"))


def _slope_deviations(rows: pd.DataFrame) -> dict[str, float]:
    """Return the deviation of each method's log ratio of norms from the mean method's."""
    means = means_by(rows, "ratio", "method", "epsilon").dropna().apply(np.log).mean()
    found = {str(method): float(d) for method, d in (means - means.mean()).items()}
    return either_sign(found) if means.notna().all() else {}


def _cross_lipschitz_loss(rows: pd.DataFrame) -> float:
    """Return cross-Lipschitz's accuracy beyond that of the others at equal vulnerability."""
    own = (rows["method"] == OWN_UNITS).map({True: OWN_UNITS, False: "others"})
    found = effects_of_groups(rows["vulnerability"], rows["accuracy"], own)
    return found.get(f"{OWN_UNITS} against others", math.nan)


def _unlike_accuracies(rows: pd.DataFrame) -> dict[str, float]:
    """Return how far apart two methods' accuracies are at equal vulnerability."""
    return effects_of_groups(rows["vulnerability"], rows["accuracy"], rows["method"], "none")


def _unlike_vulnerabilities(rows: pd.DataFrame) -> dict[str, float]:
    """Return how far apart two methods' vulnerabilities are at equal gradient norm, by range."""
    parts = effects_of_groups(rows["grad_l1"], rows["vulnerability"], rows["method"], "none")
    extent = float(np.ptp(means_of(rows, "vulnerability", ["method", "epsilon"])))
    return {pair: part / extent for pair, part in parts.items()} if extent > 0 else {}


_claim = partial(Claim, figure="regularisation_methods")

CLAIMS = (
    _claim(
        name="strength_lowers_gradients",
        sentence="Every method lowers the l1-norm of the gradients, the more the stronger it is.",
        source="ICML 2019, Figure 1a",
        statistic="largest rank correlation, over methods, of the gradient norm with the strength",
        low=-math.inf, high=-0.7,
        select=_curves, estimate=_strength_correlation("grad_l1"), extreme="largest",
        correlation="of means",
    ),
    _claim(
        name="strength_lowers_vulnerability",
        sentence="Every method lowers the adversarial vulnerability, the more the stronger it is.",
        source="ICML 2019, Figure 1b",
        statistic="largest rank correlation, over methods, of the vulnerability with the strength",
        low=-math.inf, high=-0.7,
        select=_attacked_curves, estimate=_strength_correlation("vulnerability"),
        extreme="largest", correlation="of means",
    ),
    _claim(
        name="duals_coincide_linf",
        sentence="Penalising the l1-norm of the gradient and augmenting with l-inf attacks do the "
        "same.",
        source="ICML 2019, Proposition 3, Figure 1a",
        statistic="largest absolute log-ratio, over strengths, of the two curves of gradient norms",
        low=-math.inf, high=0.3,
        select=_pair("grad_l1", "aug_linf"), estimate=_dual("grad_l1", "aug_linf"),
        extreme="largest",
    ),
    _claim(
        name="duals_coincide_l2",
        sentence="Penalising the l2-norm of the gradient and augmenting with l2 attacks do the "
        "same.",
        source="ICML 2019, Proposition 3, Figure 1a",
        statistic="largest absolute log-ratio, over strengths, of the two curves of gradient norms",
        low=-math.inf, high=0.3,
        select=_pair("grad_l2", "aug_l2"), estimate=_dual("grad_l2", "aug_l2"), extreme="largest",
    ),
    _claim(
        name="norms_coincide",
        sentence="With rescaled strengths, l1- and l2-penalties do the same.",
        source="ICML 2019, Section 2.3, Figure 1a",
        statistic="largest absolute log-ratio, over strengths, of the two curves of gradient norms",
        low=-math.inf, high=0.3,
        select=_pair("grad_l1", "grad_l2"), estimate=_dual("grad_l1", "grad_l2"), extreme="largest",
    ),
    _claim(
        name="vulnerability_follows_gradients",
        sentence="The smaller the gradients, the smaller the vulnerability.",
        source="ICML 2019, Lemma 2, Figure 1d",
        statistic="rank correlation of vulnerability and gradient norm over networks",
        low=0.9, high=math.inf,
        select=_attacked,
        estimate=lambda rows: rank_correlation(rows["vulnerability"], rows["grad_l1"]),
        correlation="of ranks",
    ),
    _claim(
        name="relation_is_independent_of_method",
        sentence="Vulnerability depends on the gradient norm in the same way for every method.",
        source="ICML 2019, Figure 1d",
        statistic="largest difference between two methods' vulnerabilities at equal gradient norm, "
        "by a cubic in it, over the range of vulnerabilities",
        low=-math.inf, high=0.1,
        select=_attacked, estimate=_unlike_vulnerabilities, extreme="largest",
    ),
    _claim(
        name="l2_is_linear_in_l1",
        sentence="The l2-norm of the gradient is a linear function of its l1-norm.",
        source="ICML 2019, Figure 1e",
        statistic="correlation of the two norms over networks",
        low=0.98, high=math.inf,
        select=_trained, estimate=lambda rows: linear_correlation(rows["grad_l2"], rows["grad_l1"]),
        correlation="of values",
    ),
    _claim(
        name="one_slope_of_norms",
        sentence="The slope between the gradient's l2- and l1-norm is the same for every method.",
        source="ICML 2019, Figure 1e",
        statistic="largest relative deviation (log) of a method's ratio of norms from the "
        "methods' mean",
        low=-math.inf, high=0.1,
        select=_ratios_by_method, estimate=_slope_deviations, extreme="largest",
    ),
    _claim(
        name="gradients_are_isotropic",
        sentence="The ratio of the norms is that of an isotropic gradient, (2d/pi)^(1/2).",
        source="ICML 2019, Figure 1e, Section 4.1",
        statistic="mean of norm_1 / norm_2 over (2d/pi)^(1/2)",
        low=0.8, high=1.1,
        select=_ratios, estimate=lambda rows: float(rows["of_isotropic"].mean(skipna=False)),
    ),
    _claim(
        name="accuracy_is_alike",
        sentence="At equal vulnerability, the methods have equal accuracy.",
        source="ICML 2019, Figure 1f",
        statistic="largest difference between two methods' accuracies at equal vulnerability, by a "
        "cubic in it, without cross-Lipschitz",
        low=-math.inf, high=0.03,
        select=_without_cross_lipschitz, estimate=_unlike_accuracies, extreme="largest",
    ),
    _claim(
        name="cross_lipschitz_costs_accuracy",
        sentence="At equal vulnerability, cross-Lipschitz regularisation has the lower accuracy.",
        source="ICML 2019, Figure 1f",
        statistic="mean accuracy of cross-Lipschitz less that of the others at equal vulnerability",
        low=-math.inf, high=0,
        select=_with_cross_lipschitz, estimate=_cross_lipschitz_loss, range_source="paper",
    ),
)  # fmt: skip
