"""The statistics that claims are made of; each is NaN where the data do not determine it.

Rows are networks. Over the networks of a setting is averaged, so that
``advdim.claims.intervals`` sees smooth functions; extremes are left to it, as named parts. What is
compared (sizes, strengths, methods) is compared among settings that are alike otherwise, so that a
setting that is missing changes no comparison of others. A network without a value leaves the
statistic undetermined.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

from advdim.sweep import IDENTITY

# What follows from what, or differs with it: no strength is without a method.
ALONG = {"dimension": "size", "epsilon": "method"}


def slope(x: np.ndarray, y: np.ndarray) -> float:
    """Return the least-squares slope of y against x, NaN where a y is."""
    centred = x - x.mean()
    return float(centred @ y / (centred @ centred))


def means_of(rows: pd.DataFrame, value: str, by: Sequence[str]) -> pd.Series:
    """Return the mean value by some columns, NaN where that of one network is."""
    grouped = rows.groupby(list(by))[value]
    return grouped.mean().where(grouped.count() == grouped.size())


def means_by(rows: pd.DataFrame, value: str, by: str, *pooled: str) -> pd.DataFrame:
    """Return the mean value with a column per value of ``by``, a line per setting otherwise alike.

    Settings may differ in what is ``pooled``. NaN is what was not run; where the value of a network
    is NaN, all are.
    """
    free = {"seed", by, ALONG.get(by), *pooled}
    settings = [name for name in IDENTITY if name in rows and name not in free]
    means = means_of(rows, value, [*settings, by])
    if means.isna().any():
        means[:] = math.nan
    return means.unstack(by) if settings else means.to_frame().T  # noqa: PD010


def exponent(rows: pd.DataFrame, value: str) -> float:
    """Return the slope of log value against log dimension, with an intercept per setting."""
    means = means_by(rows, value, "dimension")
    if (means <= 0).any(axis=None):
        return math.nan
    return _common_slope(*_centred(np.log(means.columns.to_numpy(float)), means.apply(np.log)))


def linearity(rows: pd.DataFrame, value: str) -> float:
    """Return the mean correlation of value with sqrt(d) in a setting, at three sizes or more."""
    means = means_by(rows, value, "dimension")
    roots = pd.Series(np.sqrt(means.columns.to_numpy(float)), means.columns)
    known = [line.dropna() for _, line in means.iterrows()]
    found = [linear_correlation(roots[line.index], line) for line in known if len(line) > 2]
    return float(np.mean(found)) if found else math.nan


def rank_correlation(x: pd.Series, y: pd.Series) -> float:
    """Return Spearman's rank correlation."""
    if x.isna().any() or y.isna().any():
        return math.nan
    return _correlation(x.rank().to_numpy(), y.rank().to_numpy())


def linear_correlation(x: pd.Series, y: pd.Series) -> float:
    """Return Pearson's correlation."""
    return _correlation(x.to_numpy(float), y.to_numpy(float))


def log_ratios(rows: pd.DataFrame, first: str, second: str, value: str) -> dict[str, float]:
    """Return, per strength that both have, the log-ratio of two methods' mean values."""
    means = means_by(rows, value, "method")
    if not {first, second} <= set(means):
        return {}
    lines = means[[first, second]].dropna().apply(np.log)
    found = (lines[first] - lines[second]).groupby("epsilon").mean()
    return {f"strength {strength:g}": float(ratio) for strength, ratio in found.items()}


def either_sign(parts: Mapping[str, float]) -> dict[str, float]:
    """Return each part and its negative: the largest of all is the largest magnitude."""
    return {**parts, **{f"{name}, downwards": -part for name, part in parts.items()}}


def differences(rows: pd.DataFrame, value: str, by: str) -> dict[str, float]:
    """Return the mean differences of value between values of ``by``: the largest is their range."""
    means = means_by(rows, value, by)
    return {f"{a} against {b}": found for (a, b), found in paired_differences(means).items()}


def ratios(rows: pd.DataFrame, value: str, by: str) -> dict[tuple[Any, Any], float]:
    """Return the mean ratios (of logarithms) of positive values between values of ``by``."""
    logarithms = means_by(rows, value, by).apply(np.log)
    return {pair: math.exp(found) for pair, found in paired_differences(logarithms).items()}


def paired_differences(means: pd.DataFrame) -> dict[tuple[Any, Any], float]:
    """Return, per two columns of ``means_by``, their mean difference over the lines of both."""
    found = {(a, b): (means[a] - means[b]).dropna() for a, b in permutations(means.columns, 2)}
    return {pair: float(lines.mean()) for pair, lines in found.items() if len(lines)}


def effects_of_groups(
    x: pd.Series, y: pd.Series, groups: pd.Series, baseline: str = ""
) -> dict[str, float]:
    """Return how much larger y is in one group than in another at equal x, by a cubic in x.

    One number per ordered pair of groups. Rows of the baseline determine the cubic and are
    compared with no group. Empty for fewer than two groups, or where the rows do not determine
    the coefficients.
    """
    if x.isna().any() or y.isna().any():
        return {}
    values, members = y.to_numpy(float), groups.astype(str)
    names = sorted(set(members) - {baseline})
    compared = names if baseline in set(members) else names[1:]
    columns = [(members == name).to_numpy(float) for name in compared]
    design = np.column_stack([_cubic(x.to_numpy(float)), *columns])
    if len(design) <= design.shape[1] or np.linalg.matrix_rank(design) < design.shape[1]:
        return {}
    coefficients = np.linalg.lstsq(design, values, rcond=None)[0]
    effects = dict.fromkeys(names, 0.0) | dict(zip(compared, coefficients[4:], strict=True))
    return {f"{a} against {b}": float(effects[a] - effects[b]) for a, b in permutations(effects, 2)}


def _cubic(x: np.ndarray) -> np.ndarray:
    scaled = 2 * (x - x.min()) / (np.ptp(x) or 1) - 1
    return np.polynomial.legendre.legvander(scaled, 3)


def _centred(x: np.ndarray, means: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return x and the means of all lines, each less its line's average over what was run."""
    lines = means.dropna(how="all").to_numpy(float)
    places = np.where(np.isnan(lines), math.nan, x)
    x, y = (of - np.nanmean(of, axis=1, keepdims=True) for of in (places, lines))
    known = ~np.isnan(y)
    return x[known], y[known]


def _common_slope(x: np.ndarray, y: np.ndarray) -> float:
    square = float(x @ x)
    return float(x @ y) / square if square > 0 else math.nan


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    if len(x) < 3:
        return math.nan
    x, y = x - x.mean(), y - y.mean()
    scale = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / scale if scale > 0 else math.nan
