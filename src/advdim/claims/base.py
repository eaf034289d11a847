"""What a claim is, and how data decide on it: a statistic, its interval, a verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from advdim.claims.intervals import (
    Estimate,
    Values,
    fisher,
    interval,
    on_fishers_scale,
    p_value,
    spread_over_networks,
)
from advdim.claims.needs import Undecidable
from advdim.claims.networks import (
    combined,
    epoch_spread,
    over_epochs,
    stratify,
    well_sampled,
)
from advdim.tables.intervals import FEWEST_NETWORKS

Tables = Mapping[str, pd.DataFrame]
Select = Callable[[Tables, str], pd.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A testable sentence of a paper.

    Attributes:
        name: key, unique among the claims.
        sentence: what is claimed, in plain words.
        source: paper, and section, figure, equation or theorem.
        figure: the figure that shows it; the claim is judged in experiments that draw it.
        tables: names of the tables that ``select`` reads.
        statistic: what is computed, in words.
        low, high: the range of the statistic in which the sentence holds; infinite: no end.
        select: (tables, experiment) to the rows that the statistic is computed from: one per
            network, or several of the same network (attacks, curves) that stay together; with a
            column ``epoch``, one per epoch, of which the statistic gets the network's medians.
            Raises Undecidable where the run cannot decide by construction.
        estimate: rows to the statistic, or to its named parts; NaN where they do not determine it.
        extreme: which part is the statistic, ``largest`` or ``smallest``; empty: there are none.
        range_source: whose range it is, ``paper`` or ``ours``.
        each: column whose values are judged separately, each by name; empty: all rows together.
        universal: one counter-example refutes the sentence, and no number of examples proves it.
        correlation: the statistic is one, and gets its interval on Fisher's scale: ``of means``
            of settings, or ``of values`` or ``of ranks`` of networks, which are a sample of pairs.
    """

    name: str
    sentence: str
    source: str
    figure: str
    tables: tuple[str, ...] = ("cells", "epochs")
    statistic: str
    low: float
    high: float
    select: Select
    estimate: Estimate
    extreme: str = ""
    range_source: str = "ours"
    each: str = ""
    universal: bool = False
    correlation: Literal["", "of means", "of values", "of ranks"] = ""


@dataclass(frozen=True)
class Judgement:
    """What the rows say; the attributes are columns of the table ``claims``."""

    reason: str
    verdict: str = "undecided"
    estimate: float = math.nan
    ci_low: float = math.nan
    ci_high: float = math.nan
    epoch_low: float = math.nan
    epoch_high: float = math.nan
    p_value: float = math.nan
    networks: int = 0
    count: int = 0


def judge(claim: Claim, tables: Tables, experiment: str) -> Judgement:
    """Judge a claim on one experiment.

    ``holds`` where the whole interval lies in the claimed range, ``fails`` where it lies wholly
    outside, ``undecided`` otherwise. Settings with too few networks for an interval, as a sweep
    that is under way has them, are left out where the others have one.
    """
    found = _judge(claim, tables, experiment)
    if not 0 < found.networks < FEWEST_NETWORKS or claim.universal:
        return found
    without = {name: well_sampled(tables[name], FEWEST_NETWORKS)[0] for name in claim.tables}
    again = _judge(claim, {**tables, **without}, experiment)
    if again.networks < FEWEST_NETWORKS or not math.isfinite(again.estimate):
        return found
    _, left_out = well_sampled(claim.select(tables, experiment), FEWEST_NETWORKS)
    few = f"{left_out} setting{'s' * (left_out > 1)} with fewer than {FEWEST_NETWORKS} networks"
    return replace(again, reason=f"{again.reason}; left out: {few}")


def _judge(claim: Claim, tables: Tables, experiment: str) -> Judgement:
    if any(tables[name].empty for name in claim.tables):
        return Judgement("no data")
    try:
        rows = claim.select(tables, experiment)
    except Undecidable as lack:
        return Judgement(str(lack))
    return judge_rows(claim, rows)


def judge_rows(claim: Claim, rows: pd.DataFrame) -> Judgement:
    """Judge a claim on selected rows."""
    if rows.empty:
        return Judgement("no data")
    networks = over_epochs(rows).reset_index(drop=True)
    strata = stratify(networks)
    fewest = min(map(len, strata))
    epoch_low, epoch_high = epoch_spread(rows, claim.estimate, claim.extreme)
    found = Judgement(
        "the data do not determine the statistic",
        estimate=combined(claim.estimate(networks), claim.extreme),
        epoch_low=epoch_low,
        epoch_high=epoch_high,
        networks=fewest,
        count=sum(map(len, strata)),
    )
    if not math.isfinite(found.estimate):
        return found
    if claim.universal:
        return _by_example(claim, found)
    if fewest < FEWEST_NETWORKS:
        few = f"{fewest} network{'s' * (fewest > 1)} of a setting, {FEWEST_NETWORKS} are needed"
        return replace(found, reason=few)
    return _by_interval(claim, found, networks, strata)


def verdict_of(low: float, high: float, claimed_low: float, claimed_high: float) -> tuple[str, str]:
    """Compare an interval with the claimed range, whose ends decide nothing."""
    if claimed_low < low and high < claimed_high:
        return "holds", "the interval lies in the claimed range"
    if high < claimed_low or low > claimed_high:
        return "fails", "the interval lies outside the claimed range"
    return "undecided", "the interval reaches an end of the claimed range"


def _by_example(claim: Claim, found: Judgement) -> Judgement:
    if claim.low <= found.estimate <= claim.high:
        return replace(found, reason="no counter-example, which does not prove a theorem")
    return replace(found, verdict="fails", reason="there are counter-examples, and one is enough")


def _by_interval(
    claim: Claim, found: Judgement, networks: pd.DataFrame, strata: list[list[np.ndarray]]
) -> Judgement:
    spread = spread_over_networks(networks, claim.estimate, strata)
    scale, back = (fisher, math.tanh) if claim.correlation else (float, float)
    if claim.correlation:
        pairs = None if claim.correlation == "of means" else found.count
        spread = on_fishers_scale(spread, pairs, ranks=claim.correlation == "of ranks")
    if not np.isfinite(spread.errors).all():
        return found
    low, high = map(back, interval(spread, claim.extreme))
    verdict, reason = verdict_of(low, high, claim.low, claim.high)
    ends = {end: p_value(spread, scale(end), claim.extreme) for end in _ends(claim)}
    return replace(
        found,
        ci_low=low,
        ci_high=high,
        p_value=_decision_level(claim, found.estimate, ends),
        verdict=verdict,
        reason=reason + _named(claim.estimate(networks), claim.extreme),
    )


def _ends(claim: Claim) -> list[float]:
    return [end for end in (claim.low, claim.high) if math.isfinite(end)]


def _decision_level(claim: Claim, estimate: float, p_values: Mapping[float, float]) -> float:
    """Return the p-value of the claimed range's end that the verdict depends on.

    Inside of the range that is the end less surely left out; outside, the end that is passed.
    """
    if claim.low <= estimate <= claim.high:
        return max(p_values.values())
    return p_values[claim.low if estimate < claim.low else claim.high]


def _named(parts: Values, extreme: str) -> str:
    if not isinstance(parts, Mapping):
        return ""
    pick = min if extreme == "smallest" else max
    return f"; {extreme}: {pick(parts, key=lambda name: parts[name])}"
