"""The rows of the table ``claims``: every claim on every experiment that draws its figure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from advdim.claims.base import Claim, Judgement, Tables, judge
from advdim.claims.needs import Undecidable
from advdim.tables.intervals import LEVEL

# The verdict where no experiment draws the figure: the run was not asked about the claim.
NOT_ASKED = "not asked"


def claim_rows(
    claims: Sequence[Claim],
    tables: Tables,
    figures_by_experiment: Mapping[str, Sequence[str]],
    attacks_by_experiment: Mapping[str, Sequence[str]],
) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table ``claims``: one per claim and experiment that draws its figure.

    A claim whose figure no experiment draws has one row, not asked, so that nothing is left out.
    An experiment that has attacks is judged on its own: another one may have attacked the same
    networks in other ways.
    """
    own = {
        experiment: _attacked_by(tables, attacks)
        for experiment, attacks in attacks_by_experiment.items()
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
