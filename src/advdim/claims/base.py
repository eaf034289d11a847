"""What a claim is, and how data decide on it: a statistic, its interval, a verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from advdim.claims.intervals import (
    LEVEL,
    Estimate,
    Values,
    fisher,
    interval,
    on_fishers_scale,
    p_value,
    spread_over_networks,
)
from advdim.claims.needs import Undecidable
from advdim.claims.networks import combined, epoch_spread, over_epochs, stratify

Tables = Mapping[str, pd.DataFrame]
Select = Callable[[Tables, str], pd.DataFrame]
FEWEST_NETWORKS = 3
# The verdict where no experiment draws the figure: the run was not asked about the claim.
NOT_ASKED = "not asked"


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
        correlation: the statistic is one, and gets its interval on Fisher's scale.
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
    estimate: Estimate
    extreme: str = ""
    range_source: str = "ours"
    each: str = ""
    universal: bool = False
    correlation: bool = False


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
    outside, ``undecided`` otherwise, or where a setting has too few networks for an interval.
    """
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


def claim_rows(
    claims: Sequence[Claim],
    tables: Tables,
    figures_by_experiment: Mapping[str, Sequence[str]],
    attacks_by_experiment: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table ``claims``: one per claim and experiment that draws its figure.

    A claim whose figure no experiment draws has one row, not asked, so that nothing is left out.
    An experiment is judged on its own attacks, where these are given: another one may have
    attacked the same networks in other ways.
    """
    own = {
        experiment: _attacked_by(tables, attacks)
        for experiment, attacks in (attacks_by_experiment or {}).items()
    }
    rows = [
        row
        for claim in claims
        for experiment, judged in _asked(claim, tables, own, figures_by_experiment)
        for row in _rows_of(claim, judged, experiment)
    ]
    return iter(adjusted(rows))


def _attacked_by(tables: Tables, attacks: Sequence[str]) -> Tables:
    summaries = tables["attack_summaries"]
    return {**tables, "attack_summaries": summaries[summaries["attack"].isin(attacks)]}


def _asked(
    claim: Claim,
    tables: Tables,
    own: Mapping[str, Tables],
    figures_by_experiment: Mapping[str, Sequence[str]],
) -> Iterator[tuple[str, Tables]]:
    """Yield the experiments that draw a claim's figure, with the tables to judge each on."""
    drawn = [name for name, figures in figures_by_experiment.items() if claim.figure in figures]
    for experiment in drawn or [""]:
        yield experiment, own.get(experiment, tables)


def adjusted(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add ``verdict_adjusted``: undecided where Benjamini and Hochberg (1995) do not decide.

    Of the verdicts that remain, 5 % are expected to be wrong at most, however many were sought.
    """
    # Loaded where verdicts are computed: it takes longer than the rest of a table's job.
    from scipy.stats import false_discovery_control

    found = [row["p_value"] for row in rows if math.isfinite(row["p_value"])]
    levels = iter(false_discovery_control(found) if found else ())
    result = []
    for row in rows:
        doubtful = math.isfinite(row["p_value"]) and next(levels) > 1 - LEVEL
        result.append({**row, "verdict_adjusted": "undecided" if doubtful else row["verdict"]})
    return result


def expected_text(low: float, high: float) -> str:
    """Return the claimed range in words."""
    if math.isinf(low):
        return f"at most {high:g}"
    if math.isinf(high):
        return f"at least {low:g}"
    return f"{low:g} to {high:g}"


def _rows_of(claim: Claim, tables: Tables, experiment: str) -> Iterator[dict[str, Any]]:
    if not experiment:
        yield _row(claim, "", Judgement("no experiment draws the figure", NOT_ASKED))
        return
    for single in _singly(claim, tables, experiment):
        yield _row(single, experiment, judge(single, tables, experiment))


def _singly(claim: Claim, tables: Tables, experiment: str) -> list[Claim]:
    """Return the claim, or, where each value of a column is judged, one claim about each."""
    if not claim.each or any(tables[name].empty for name in claim.tables):
        return [claim]
    try:
        values = claim.select(tables, experiment)[claim.each].unique()
    except Undecidable:
        return [claim]
    return [_about(claim, str(value)) for value in values] or [claim]


def _about(claim: Claim, value: str) -> Claim:
    def select(tables: Tables, experiment: str) -> pd.DataFrame:
        rows = claim.select(tables, experiment)
        return rows[rows[claim.each] == value]

    return replace(
        claim,
        name=f"{claim.name}_of_{value}",
        sentence=f"{claim.sentence[:-1]}: {value}.",
        select=select,
    )


def _row(claim: Claim, experiment: str, judgement: Judgement) -> dict[str, Any]:
    return {
        "claim": claim.name,
        "experiment": experiment,
        "sentence": claim.sentence,
        "source": claim.source,
        "figure": claim.figure,
        "statistic": claim.statistic,
        "expected": expected_text(claim.low, claim.high),
        "expected_low": claim.low,
        "expected_high": claim.high,
        "range_source": claim.range_source,
        **vars(judgement),
    }


def _by_example(claim: Claim, found: Judgement) -> Judgement:
    if claim.low <= found.estimate <= claim.high:
        return replace(found, reason="no counter-example, which does not prove a theorem")
    return replace(found, verdict="fails", reason="there are counter-examples, and one is enough")


def _by_interval(
    claim: Claim, found: Judgement, networks: pd.DataFrame, strata: list[list[np.ndarray]]
) -> Judgement:
    spread = spread_over_networks(networks, claim.estimate, strata)
    scale, back = (fisher, math.tanh) if claim.correlation else (float, float)
    spread = on_fishers_scale(spread) if claim.correlation else spread
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
