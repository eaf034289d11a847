"""Student's t intervals of statistics over networks, drawn anew within their settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from advdim.tables.intervals import LEVEL

# What is closer to a correlation of 1 or -1 counts as this close, since ranks often agree exactly.
CLOSEST = 1e-4
# Degrees of freedom with which Student's distribution is the normal one.
KNOWN = 1e9
Values = float | Mapping[str, float]
Estimate = Callable[[pd.DataFrame], Values]


@dataclass(frozen=True)
class Spread:
    """Statistics of shape (parts,) with their standard errors and degrees of freedom."""

    estimates: np.ndarray
    errors: np.ndarray
    freedoms: np.ndarray


def as_array(values: Values) -> np.ndarray:
    """Return a statistic, or its parts in their order, as an array of shape (parts,)."""
    return np.array(list(values.values()) if isinstance(values, Mapping) else [values], float)


def fisher(correlation: float, closest: float = CLOSEST) -> float:
    """Return arctanh (Fisher 1921), of what is no closer to -1 and 1 than that."""
    return math.atanh(max(closest - 1, min(1 - closest, correlation)))


def on_fishers_scale(spread: Spread, pairs: int | None = None, *, ranks: bool = False) -> Spread:
    """Return the spread of correlations as that of their arctanh, which varies alike anywhere.

    Of a sample of so many pairs the error is at least Fisher's 1/sqrt(pairs - 3), infinite up to
    three. A few ranks agree exactly by chance: that counts as half of the way to the next rank
    correlation that is possible.
    """
    closest = max(CLOSEST, 6 / max(pairs**3 - pairs, 6)) if ranks and pairs else CLOSEST
    estimates = np.array([fisher(value, closest) for value in spread.estimates])
    errors = spread.errors / (1 - np.tanh(estimates) ** 2)
    if pairs is None:
        return Spread(estimates, errors, spread.freedoms)
    least = 1 / math.sqrt(pairs - 3) if pairs > 3 else math.inf
    # which is known and not estimated
    freedoms = np.where(errors < least, KNOWN, spread.freedoms)
    return Spread(estimates, np.maximum(errors, least), freedoms)


def spread_over_networks(
    rows: pd.DataFrame, estimate: Estimate, strata: Sequence[Sequence[np.ndarray]]
) -> Spread:
    """Return the statistic's standard error by the delta method, from how networks influence it.

    ``strata`` hold, per setting, the row numbers of each of its networks, two or more. A network is
    replaced by the first of its setting, which, unlike leaving it out, changes no setting's weight:
    the statistic changes by the difference of their influences. A setting's variance is n / (n - 1)
    times the sum of squared deviations of its influences; that of the statistic is their sum, with
    Satterthwaite's (1946) degrees of freedom, so that linear statistics get Student's and Welch's
    intervals. Without variation the degrees are those of the smallest setting; where a replacement
    leaves the statistic undetermined, its error is NaN.
    """
    estimates = as_array(estimate(rows))
    variances, shares = [], []
    for networks in strata:
        influences = [np.zeros_like(estimates)]
        for network in networks[1:]:
            replaced = _replace(len(rows), network, networks[0])
            influences.append(estimates - as_array(estimate(rows.iloc[replaced])))
        variance = len(networks) * np.var(influences, axis=0, ddof=1)
        variances.append(variance)
        shares.append(variance**2 / (len(networks) - 1))
    total, share = np.sum(variances, axis=0), np.sum(shares, axis=0)
    fewest = min(map(len, strata)) - 1
    freedoms = np.divide(total**2, share, out=np.full(total.shape, float(fewest)), where=share > 0)
    return Spread(estimates, np.sqrt(total), freedoms)


def interval(spread: Spread, extreme: str = "") -> tuple[float, float]:
    """Return the two-sided 95 % interval of the statistic, or of its extreme part.

    The ``largest`` part is below the largest upper end of all, and above each lower end, of which
    one in as many as there are parts may err (Bonferroni); the ``smallest`` is its mirror image.
    """
    if extreme == "smallest":
        low, high = interval(_mirrored(spread), "largest")
        return -high, -low
    tail = (1 - LEVEL) / 2
    upper = spread.estimates + spread.errors * stdtrit(spread.freedoms, 1 - tail)
    strict = stdtrit(spread.freedoms, 1 - tail / len(spread.estimates))
    return float(np.max(spread.estimates - spread.errors * strict)), float(np.max(upper))


def p_value(spread: Spread, edge: float, extreme: str = "") -> float:
    """Return the two-sided p-value of the statistic, or its extreme part, being at the edge.

    It is below .05 exactly where the interval leaves the edge out.
    """
    if extreme == "smallest":
        return p_value(_mirrored(spread), -edge, "largest")
    above, below = _tails(spread, edge)
    largest_is_above = len(above) * float(np.min(above))
    return min(1.0, 2 * min(largest_is_above, float(np.max(below))))


def _tails(spread: Spread, edge: float) -> tuple[np.ndarray, np.ndarray]:
    """Return one-sided p-values against "at most the edge" and "at least the edge"."""
    distance = spread.estimates - edge
    # Without any spread, a distance is infinitely many standard errors.
    infinite = np.where(distance == 0, 0.0, np.copysign(np.inf, distance))
    scores = np.divide(distance, spread.errors, out=infinite, where=spread.errors > 0)
    return stdtr(spread.freedoms, -scores), stdtr(spread.freedoms, scores)


def _mirrored(spread: Spread) -> Spread:
    return Spread(-spread.estimates, spread.errors, spread.freedoms)


def _replace(count: int, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    kept = np.ones(count, bool)
    kept[old] = False
    return np.concatenate([np.flatnonzero(kept), new])
