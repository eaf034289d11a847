"""Claims of ICML 2019, Section 4.1 and Figure 1: the training methods."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from advdim.claims.base import Claim, Tables
from advdim.claims.rows import cells, with_every_method
from advdim.claims.statistics import (
    curve_distance,
    isotonic_residuals,
    linear_correlation,
    rank_correlation,
    share_of_group,
)

FIGURE = "regularisation_methods"
INFINITY = math.inf
# Strengths of Eq. 18 are in units of their own.
OWN_UNITS = "cross_lipschitz"


def _curves(tables: Tables, experiment: str) -> pd.DataFrame:
    return with_every_method(cells(tables, experiment))


def _pgd_and_augmentation(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = cells(tables, experiment)
    return rows[rows["method"].isin(["pgd_linf", "aug_linf"]) & (rows["epsilon"] > 0)]


def _per_method_extreme(rows: pd.DataFrame, value: str) -> float:
    """Return the weakest (largest) rank correlation of a measure with the strength."""
    found = [
        rank_correlation(group["epsilon"], group[value]) for _, group in rows.groupby("method")
    ]
    known = [value for value in found if math.isfinite(value)]
    return max(known) if known else math.nan


def _dual(rows: pd.DataFrame, first: str, second: str) -> float:
    return curve_distance(rows, first, second, "grad_l1_median")


def _slope_ratio(rows: pd.DataFrame) -> float:
    """Return the median of norm_1 / norm_2 over what an isotropic gradient gives, (2d/pi)^.5."""
    isotropic = np.sqrt(2 * rows["dimension"] / math.pi)
    return float((rows["grad_l1_median"] / rows["grad_l2_median"] / isotropic).median())


def _slope_spread(rows: pd.DataFrame) -> float:
    """Return the largest relative deviation of a method's norm_1 / norm_2 from the median's."""
    ratio = rows["grad_l1_median"] / rows["grad_l2_median"]
    per_method = ratio.groupby(rows["method"]).median()
    return float((per_method / ratio.median() - 1).abs().max()) if len(per_method) > 1 else math.nan


def _cross_lipschitz_loss(rows: pd.DataFrame) -> float:
    """Return cross-Lipschitz's mean accuracy beyond what its vulnerability gives the others."""
    rows = rows[["method", "vulnerability_median", "accuracy_median"]].dropna()
    apart = (rows["method"] == OWN_UNITS).to_numpy()
    if not apart.any() or apart.all():
        return math.nan
    residuals = isotonic_residuals(
        rows["vulnerability_median"].to_numpy(), rows["accuracy_median"].to_numpy()
    )
    return float(residuals[apart].mean() - residuals[~apart].mean())


def _accuracy_spread(rows: pd.DataFrame) -> float:
    others = rows[rows["method"] != OWN_UNITS]
    return share_of_group(others, "vulnerability_median", "accuracy_median", "method")


def _cheap_defence(rows: pd.DataFrame) -> float:
    """Return the largest share of the vulnerability that PGD takes away for two points at most."""
    plain = rows[rows["epsilon"] == 0]
    pgd = rows[(rows["method"] == "pgd_linf") & (rows["epsilon"] > 0)]
    if plain.empty or pgd.empty or plain["vulnerability_median"].median() == 0:
        return math.nan
    medians = pgd.groupby("epsilon")[["accuracy_median", "vulnerability_median"]].median()
    cheap = medians[medians["accuracy_median"] >= plain["accuracy_median"].median() - 0.02]
    if cheap.empty:
        return 0.0
    lowest = cheap["vulnerability_median"].min()
    return float(1 - lowest / plain["vulnerability_median"].median())


def _strength_factor(rows: pd.DataFrame) -> float:
    """Return by how much weaker PGD may be than augmentation for the same gradient norm."""
    curves = {
        name: group.groupby("epsilon")["grad_l1_median"].median()
        for name, group in rows.groupby("method")
    }
    if not {"pgd_linf", "aug_linf"} <= set(curves):
        return math.nan
    pgd, augmented = curves["pgd_linf"], curves["aug_linf"]
    if len(pgd) < 2 or len(augmented) < 2:
        return math.nan
    order = np.argsort(pgd.to_numpy())
    norms, strengths = pgd.to_numpy()[order], np.log(pgd.index.to_numpy(float))[order]
    inside = augmented[augmented.between(norms.min(), norms.max())]
    if inside.empty:
        return math.nan
    equal = np.interp(inside.to_numpy(), norms, strengths)
    return float(np.exp(np.mean(np.log(inside.index.to_numpy(float)) - equal)))


def _claim(
    name: str,
    sentence: str,
    source: str,
    statistic: str,
    low: float,
    high: float,
    estimate: object,
    **settings: object,
) -> Claim:
    return Claim(
        name,
        sentence,
        f"ICML 2019, {source}",
        str(settings.pop("figure", FIGURE)),
        ("cells",),
        statistic,
        low,
        high,
        settings.pop("select", cells),  # type: ignore[arg-type]
        estimate,  # type: ignore[arg-type]
        **settings,  # type: ignore[arg-type]
    )


BY_METHOD = {"strata": ("method",), "select": _curves}
BY_STRENGTH = {"units": ("epsilon",), "select": _curves}

CLAIMS = (
    _claim(
        "strength_lowers_gradients",
        "Every method lowers the l1-norm of the gradients, the more the stronger it is.",
        "Figure 1a",
        "largest rank correlation, over methods, of the gradient norm with the strength",
        -1, -0.7,
        lambda rows: _per_method_extreme(rows, "grad_l1_median"),
        **BY_METHOD,
    ),
    _claim(
        "strength_lowers_vulnerability",
        "Every method lowers the adversarial vulnerability, the more the stronger it is.",
        "Figure 1b",
        "largest rank correlation, over methods, of the vulnerability with the strength",
        -1, -0.7,
        lambda rows: _per_method_extreme(rows, "vulnerability_median"),
        **BY_METHOD,
    ),
    _claim(
        "duals_coincide_linf",
        "Penalising the l1-norm of the gradient and augmenting with l-inf attacks do the same.",
        "Proposition 3, Figure 1a",
        "mean absolute log-ratio of the two curves of gradient norms",
        0, 0.2,
        lambda rows: _dual(rows, "grad_l1", "aug_linf"),
        **BY_STRENGTH,
    ),
    _claim(
        "duals_coincide_l2",
        "Penalising the l2-norm of the gradient and augmenting with l2 attacks do the same.",
        "Proposition 3, Figure 1a",
        "mean absolute log-ratio of the two curves of gradient norms",
        0, 0.2,
        lambda rows: _dual(rows, "grad_l2", "aug_l2"),
        **BY_STRENGTH,
    ),
    _claim(
        "norms_coincide",
        "With rescaled strengths, l1- and l2-penalties do the same.",
        "Section 2.3, Figure 1a",
        "mean absolute log-ratio of the two curves of gradient norms",
        0, 0.2,
        lambda rows: _dual(rows, "grad_l1", "grad_l2"),
        **BY_STRENGTH,
    ),
    _claim(
        "vulnerability_follows_gradients",
        "The smaller the gradients, the smaller the vulnerability.",
        "Lemma 2, Figure 1d",
        "rank correlation of vulnerability and gradient norm over networks",
        0.9, 1,
        lambda rows: rank_correlation(rows["vulnerability_median"], rows["grad_l1_median"]),
    ),
    _claim(
        "relation_is_independent_of_method",
        "Vulnerability depends on the gradient norm in the same way for every method.",
        "Figure 1d",
        "share of the vulnerability's variance that the method explains beyond the gradient norm",
        0, 0.1,
        lambda rows: share_of_group(rows, "grad_l1_median", "vulnerability_median", "method"),
    ),
    _claim(
        "l2_is_linear_in_l1",
        "The l2-norm of the gradient is a linear function of its l1-norm.",
        "Figure 1e",
        "correlation of the two norms over networks",
        0.98, 1,
        lambda rows: linear_correlation(rows["grad_l2_median"], rows["grad_l1_median"]),
    ),
    _claim(
        "one_slope_of_norms",
        "The slope between the gradient's l2- and l1-norm is the same for every method.",
        "Figure 1e",
        "largest relative deviation of a method's ratio of norms from the median ratio",
        0, 0.1,
        _slope_spread,
    ),
    _claim(
        "gradients_are_isotropic",
        "The ratio of the norms is that of an isotropic gradient, (2d/pi)^(1/2).",
        "Figure 1e, Section 4.1",
        "median of norm_1 / norm_2 over (2d/pi)^(1/2)",
        0.8, 1.1,
        _slope_ratio,
    ),
    _claim(
        "accuracy_is_alike",
        "At equal vulnerability, the methods have equal accuracy.",
        "Figure 1f",
        "share of the accuracy's variance that the method explains beyond the vulnerability, "
        "without cross-Lipschitz",
        0, 0.1,
        _accuracy_spread,
    ),
    _claim(
        "cross_lipschitz_costs_accuracy",
        "At equal vulnerability, cross-Lipschitz regularisation has the lower accuracy.",
        "Figure 1f",
        "mean accuracy of cross-Lipschitz less that of the others at equal vulnerability",
        -1, 0,
        _cross_lipschitz_loss,
        strata=("method",),
    ),
    _claim(
        "robustness_is_cheap_at_first",
        "A strength exists that lowers the vulnerability much and the accuracy little.",
        "Section 4.1, Figure 1f",
        "largest share of vulnerability that PGD removes at a loss of two points or less",
        0.3, 1,
        _cheap_defence,
        strata=("method",), select=_curves,
    ),
    _claim(
        "pgd_is_twice_as_strong",
        "At equal strength PGD regularises about twice as much as one-step augmentation.",
        "Equation 5 against Section 4.1 (no factor 1/2)",
        "ratio of strengths of augmentation and PGD at equal gradient norm",
        1.3, 3,
        _strength_factor,
        figure="matched_strengths", select=_pgd_and_augmentation, strata=("method",),
    ),
)  # fmt: skip
