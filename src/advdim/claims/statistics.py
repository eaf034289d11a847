"""The statistics that claims are made of; each is NaN where the data do not determine it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.isotonic import IsotonicRegression


def exponent(rows: pd.DataFrame, value: str, base: str = "dimension") -> float:
    """Return the slope of log value against log base, over the medians per base."""
    medians = rows[rows[value] > 0].groupby(base)[value].median()
    if len(medians) < 2:
        return math.nan
    x, y = np.log(medians.index.to_numpy(float)), np.log(medians.to_numpy(float))
    return float(np.polyfit(x, y, 1)[0])


def linearity(rows: pd.DataFrame, value: str) -> float:
    """Return the share of variance (R squared) that a line in sqrt(d) explains, of the medians."""
    medians = rows.groupby("dimension")[value].median()
    if len(medians) < 3 or medians.std() == 0:
        return math.nan
    return float(np.corrcoef(np.sqrt(medians.index.to_numpy(float)), medians)[0, 1] ** 2)


def slope_in_root_dimension(rows: pd.DataFrame, value: str) -> float:
    """Return the slope of the medians of value against sqrt(d)."""
    medians = rows.groupby("dimension")[value].median()
    if len(medians) < 2:
        return math.nan
    return float(np.polyfit(np.sqrt(medians.index.to_numpy(float)), medians, 1)[0])


def rank_correlation(x: pd.Series, y: pd.Series) -> float:
    """Return Spearman's rank correlation."""
    known = x.notna() & y.notna()
    x, y = x[known], y[known]
    if len(x) < 3 or x.nunique() < 2 or y.nunique() < 2:
        return math.nan
    return float(stats.spearmanr(x, y).statistic)


def linear_correlation(x: pd.Series, y: pd.Series) -> float:
    """Return Pearson's correlation."""
    known = x.notna() & y.notna()
    x, y = x[known], y[known]
    if len(x) < 3 or x.nunique() < 2 or y.nunique() < 2:
        return math.nan
    return float(np.corrcoef(x, y)[0, 1])


def curve_distance(rows: pd.DataFrame, first: str, second: str, value: str) -> float:
    """Return the mean absolute log-ratio of two methods' values at equal strength.

    0 where the curves coincide, .1 where they are about 10 % apart.
    """
    table = rows.pivot_table(index="epsilon", columns="method", values=value, aggfunc="median")
    if not {first, second} <= set(table.columns):
        return math.nan
    both = table[(table[first] > 0) & (table[second] > 0)]
    if both.empty:
        return math.nan
    return float(np.abs(np.log(both[first] / both[second])).mean())


def isotonic_residuals(x: np.ndarray, y: np.ndarray, increasing: bool = True) -> np.ndarray:
    """Return what a monotone function of x leaves of y."""
    fit = IsotonicRegression(increasing=increasing, out_of_bounds="clip").fit(x, y)
    return np.asarray(y - fit.predict(x))


def share_of_group(rows: pd.DataFrame, x: str, y: str, group: str) -> float:
    """Return the share of y's variance that the group explains beyond a monotone function of x."""
    rows = rows[[x, y, group]].dropna()
    if rows[group].nunique() < 2 or len(rows) < 6 or rows[y].std() == 0:
        return math.nan
    residuals = pd.Series(isotonic_residuals(rows[x].to_numpy(), rows[y].to_numpy()))
    means = residuals.groupby(rows[group].to_numpy()).transform("mean")
    return float((means**2).sum() / ((rows[y] - rows[y].mean()) ** 2).sum())
