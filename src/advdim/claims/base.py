"""What a claim is, and how data decide on it: a statistic, its bootstrap interval, a verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

Tables = Mapping[str, pd.DataFrame]
Select = Callable[[Tables, str], pd.DataFrame]
RESAMPLES = 250
LEVEL = 0.95
FEWEST_UNITS = 3


@dataclass(frozen=True)
class Claim:
    """A testable sentence of a paper.

    Attributes:
        name: key, unique among the claims.
        sentence: what is claimed, in plain words.
        source: paper, and section, figure, equation or theorem.
        figure: the figure that shows it; the claim is judged in experiments that draw it.
        tables: names of the tables that ``select`` reads.
        statistic: what is computed, in words.
        low, high: the range of the statistic in which the sentence holds.
        select: (tables, experiment) to the rows that the statistic is computed from.
        estimate: rows to the statistic; NaN where they do not determine it.
        units: columns that name what is drawn in a resample; empty: each row.
        strata: columns within whose values is drawn, so that no size, say, is lost in a resample.
    """

    name: str
    sentence: str
    source: str
    figure: str
    tables: tuple[str, ...]
    statistic: str
    low: float
    high: float
    select: Select
    estimate: Callable[[pd.DataFrame], float]
    units: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """What the rows say: the estimate, its interval, and the verdict with its reason."""

    estimate: float
    ci_low: float
    ci_high: float
    unit: str
    count: int
    verdict: str
    reason: str


def judge(claim: Claim, tables: Tables, experiment: str, seed: int = 0) -> Judgement:
    """Judge a claim on one experiment.

    ``holds`` where the whole interval lies in the claimed range, ``fails`` where it lies wholly
    outside, ``undecided`` otherwise, or where there are too few units to resample.
    """
    unit = " and ".join(claim.units) or "network"
    missing = any(tables[name].empty for name in claim.tables)
    rows = pd.DataFrame() if missing else claim.select(tables, experiment)
    if rows.empty:
        return _undecided(math.nan, unit, 0, "no data")
    estimate = float(claim.estimate(rows))
    groups = unit_rows(rows, claim.units, claim.strata)
    fewest = min(len(units) for units in groups)
    count = sum(len(units) for units in groups)
    if not math.isfinite(estimate):
        return _undecided(estimate, unit, count, "too few cells")
    if fewest < FEWEST_UNITS:
        return _undecided(estimate, unit, count, "too few cells")
    low, high = interval(rows, claim.estimate, groups, seed)
    if not (math.isfinite(low) and math.isfinite(high)):
        return _undecided(estimate, unit, count, "too few cells")
    verdict, reason = verdict_of(low, high, claim.low, claim.high)
    return Judgement(estimate, low, high, unit, count, verdict, reason)


def verdict_of(low: float, high: float, claimed_low: float, claimed_high: float) -> tuple[str, str]:
    """Compare an interval with the claimed range."""
    if claimed_low <= low and high <= claimed_high:
        return "holds", "the interval lies in the claimed range"
    if high < claimed_low or low > claimed_high:
        return "fails", "the interval lies outside the claimed range"
    return "undecided", "the interval reaches over an end of the claimed range"


def unit_rows(
    rows: pd.DataFrame, units: Sequence[str], strata: Sequence[str]
) -> list[list[np.ndarray]]:
    """Return, per stratum, the row numbers of each unit."""
    numbered = rows.reset_index(drop=True)
    parts = (
        [part for _, part in numbered.groupby(list(strata), sort=True)] if strata else [numbered]
    )
    if not units:
        return [[np.array([k]) for k in part.index] for part in parts]
    return [
        [group.index.to_numpy() for _, group in part.groupby(list(units), sort=True)]
        for part in parts
    ]


def interval(
    rows: pd.DataFrame,
    estimate: Callable[[pd.DataFrame], float],
    groups: Sequence[Sequence[np.ndarray]],
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the statistic (Efron and Tibshirani, 1993).

    Units are drawn with replacement within their stratum. NaN where fewer than half of the
    resamples determine the statistic.
    """
    random = np.random.default_rng(seed)
    values = []
    for _ in range(RESAMPLES):
        drawn = [
            units[k] for units in groups for k in random.integers(0, len(units), size=len(units))
        ]
        values.append(float(estimate(rows.iloc[np.concatenate(drawn)])))
    finite = np.array([value for value in values if math.isfinite(value)])
    if len(finite) < RESAMPLES / 2:
        return math.nan, math.nan
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(finite, [tail, 100 - tail])
    return float(low), float(high)


def claim_rows(
    claims: Sequence[Claim], tables: Tables, figures_by_experiment: Mapping[str, Sequence[str]]
) -> Iterator[dict[str, Any]]:
    """Yield a row of the ``claims`` table per claim and experiment that draws its figure.

    A claim whose figure no experiment draws has one row, undecided, so that nothing is left out.
    """
    for claim in claims:
        fixed = {
            "claim": claim.name,
            "sentence": claim.sentence,
            "source": claim.source,
            "figure": claim.figure,
            "statistic": claim.statistic,
            "expected": expected_text(claim.low, claim.high),
            "expected_low": claim.low,
            "expected_high": claim.high,
        }
        drawn = [name for name, figures in figures_by_experiment.items() if claim.figure in figures]
        for experiment in drawn:
            judgement = judge(claim, tables, experiment)
            yield {**fixed, "experiment": experiment, **vars(judgement)}
        if not drawn:
            absent = _undecided(math.nan, "", 0, "no experiment draws the figure")
            yield {**fixed, "experiment": "", **vars(absent)}


def expected_text(low: float, high: float) -> str:
    """Return the claimed range in words."""
    if math.isinf(low):
        return f"at most {high:g}"
    if math.isinf(high):
        return f"at least {low:g}"
    return f"{low:g} to {high:g}"


def _undecided(estimate: float, unit: str, count: int, reason: str) -> Judgement:
    return Judgement(estimate, math.nan, math.nan, unit, count, "undecided", reason)
