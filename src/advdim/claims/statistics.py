"""The statistics that claims are made of; each is NaN where the data do not determine it.

Rows are networks. Over the networks of a setting is averaged, so that
``advdim.claims.intervals`` sees smooth functions; extremes are left to it, as named parts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import permutations

import numpy as np
import pandas as pd


def slope(x: np.ndarray, y: np.ndarray) -> float:
    """Return the least-squares slope of y against x, NaN where a y is."""
    centred = x - x.mean()
    return float(centred @ y / (centred @ centred))


def exponent(rows: pd.DataFrame, value: str) -> float:
    """Return the slope of log value against log dimension, over the means per dimension."""
    means = rows.groupby("dimension")[value].mean()
    if len(means) < 2 or not (means > 0).all():
        return math.nan
    return slope(np.log(means.index.to_numpy(float)), np.log(means.to_numpy(float)))


def slope_in_root_dimension(rows: pd.DataFrame, value: str) -> float:
    """Return the slope of the means of value against sqrt(d)."""
    means = rows.groupby("dimension")[value].mean()
    if len(means) < 2:
        return math.nan
    return slope(np.sqrt(means.index.to_numpy(float)), means.to_numpy(float))


def linearity(rows: pd.DataFrame, value: str) -> float:
    """Return the correlation with sqrt(d) of the means of value, at three sizes or more."""
    means = rows.groupby("dimension")[value].mean()
    return _correlation(np.sqrt(means.index.to_numpy(float)), means.to_numpy(float))


def rank_correlation(x: pd.Series, y: pd.Series) -> float:
    """Return Spearman's rank correlation, of the pairs that are known."""
    first, second = _known(x, y)
    return _correlation(*(pd.Series(values).rank().to_numpy() for values in (first, second)))


def linear_correlation(x: pd.Series, y: pd.Series) -> float:
    """Return Pearson's correlation, of the pairs that are known."""
    return _correlation(*_known(x, y))


def log_ratios(rows: pd.DataFrame, first: str, second: str, value: str) -> dict[str, float]:
    """Return, per strength that both have, the log-ratio of two methods' mean values."""
    means = rows.groupby(["method", "epsilon"])[value].mean()
    if not {first, second} <= set(means.index.get_level_values("method")):
        return {}
    ratios = np.log(means[first] / means[second]).dropna()
    return {f"strength {strength:g}": float(ratio) for strength, ratio in ratios.items()}


def either_sign(parts: Mapping[str, float]) -> dict[str, float]:
    """Return each part and its negative: the largest of all is the largest magnitude."""
    return {**parts, **{f"{name}, downwards": -part for name, part in parts.items()}}


def differences(means: pd.Series) -> dict[str, float]:
    """Return all differences of two means: the largest is their range."""
    return {f"{a} against {b}": float(means[a] - means[b]) for a, b in permutations(means.index, 2)}


def effects_of_groups(
    x: pd.Series, y: pd.Series, groups: pd.Series, baseline: str = ""
) -> dict[str, float]:
    """Return how much larger y is in one group than in another at equal x, by a cubic in x.

    One number per ordered pair of groups. Rows of the baseline determine the cubic and are
    compared with no group. Empty for fewer than two groups, or where the rows do not determine
    the coefficients.
    """
    known = x.notna() & y.notna()
    values, members = y[known].to_numpy(float), groups[known].astype(str)
    names = sorted(set(members) - {baseline})
    compared = names if baseline in set(members) else names[1:]
    columns = [(members == name).to_numpy(float) for name in compared]
    design = np.column_stack([_cubic(x[known].to_numpy(float)), *columns])
    if len(design) <= design.shape[1] or np.linalg.matrix_rank(design) < design.shape[1]:
        return {}
    coefficients = np.linalg.lstsq(design, values, rcond=None)[0]
    effects = dict.fromkeys(names, 0.0) | dict(zip(compared, coefficients[4:], strict=True))
    return differences(pd.Series(effects))


def _cubic(x: np.ndarray) -> np.ndarray:
    scaled = 2 * (x - x.min()) / (np.ptp(x) or 1) - 1
    return np.polynomial.legendre.legvander(scaled, 3)


def _known(x: pd.Series, y: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    first, second = x.to_numpy(float), y.to_numpy(float)
    known = ~(np.isnan(first) | np.isnan(second))
    return first[known], second[known]


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    if len(x) < 3:
        return math.nan
    x, y = x - x.mean(), y - y.mean()
    scale = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / scale if scale > 0 else math.nan
