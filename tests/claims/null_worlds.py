"""Worlds in which a claim's truth lies at an end of its range, where half of all errors hide."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from advdim.claims.base import Claim
from advdim.claims.needs import Undecidable
from advdim.claims.networks import combined, over_epochs

from . import worlds

# Of a gradient norm's logarithm, between networks of a setting and between epochs of a network.
SPREAD = 0.1
PLACE = {figure: place for place, figures in worlds.FIGURES.items() for figure in figures}


def world(truth: float, seeds: int, seed: int) -> dict[str, pd.DataFrame]:
    """Return an invented sweep with realistic variation; see ``worlds.tables``."""
    return worlds.tables(truth, seeds, SPREAD, seed)


def statistic(claim: Claim, tables: Mapping[str, pd.DataFrame]) -> float:
    """Return a claim's statistic on all networks, NaN where it is undecidable."""
    try:
        rows = claim.select(tables, PLACE[claim.figure])
    except Undecidable:
        return math.nan
    return combined(claim.estimate(over_epochs(rows)), claim.extreme) if len(rows) else math.nan


def nearest_truths(
    claims: Sequence[Claim], truths: Sequence[float], make: Callable[[float], Mapping]
) -> dict[str, float]:
    """Return, per claim, the world (of ``truths``) whose statistic is nearest to an end."""
    gaps: dict[str, dict[float, float]] = {claim.name: {} for claim in claims}
    for truth in truths:
        tables = make(truth)
        for claim in claims:
            value = statistic(claim, tables)
            if math.isfinite(value):
                gaps[claim.name][truth] = abs(value - nearest_end(claim, value))
    return {name: min(gap, key=lambda truth: gap[truth]) for name, gap in gaps.items()}


def nearest_end(claim: Claim, value: float) -> float:
    """Return the finite end of the claimed range that is nearest to a value."""
    return min(filter(math.isfinite, (claim.low, claim.high)), key=lambda end: abs(end - value))


def at_the_edge(claim: Claim, value: float) -> Claim:
    """Return the claim with the nearest end of its range moved to the value."""
    if nearest_end(claim, value) == claim.low:
        return replace(claim, low=value, high=claim.high if claim.high > value else math.inf)
    return replace(claim, high=value, low=claim.low if claim.low < value else -math.inf)
