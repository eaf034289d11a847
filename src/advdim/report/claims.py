"""The claims as a person reads them: a line of the picture and a row of the table each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from advdim.claims.verdicts import NOT_ASKED
from advdim.report.scale import Scale, Stretch, scale_of
from advdim.report.sections import by_part

VERDICTS = ("holds", "fails", "undecided")
PART_NOT_ASKED = "Not asked: this run does not draw their figures"
RANGE_SOURCES = {"paper": "the paper's range", "ours": "our reading"}


def figure_anchor(experiment: str, figure: str) -> str:
    """Return the place of a figure within the report."""
    return f"figure-{experiment}-{figure}"


def claim_anchor(row: pd.Series) -> str:
    """Return the place of a judgement within the report."""
    return "-".join(part for part in ("claim", row["experiment"], row["claim"]) if part)


@dataclass(frozen=True)
class Judged:
    """A row of the table ``claims`` in words, and its places along a line in percent.

    Attributes:
        anchor: its place within the report.
        row: the row itself.
        estimate: the statistic; ``none`` where it is undetermined.
        interval: its 95 % interval, empty without one.
        spread: what one run says instead: 10th to 90th percentile over the last epochs, or empty.
        range_source: whose range it is, in words.
        only_alone: the verdict is not upheld when adjusted for the number of claims.
        repeated: the claim is judged on several experiments.
        scale: of the line; the places below are on it.
    """

    anchor: str
    row: pd.Series
    estimate: str
    interval: str
    spread: str
    range_source: str
    only_alone: bool
    repeated: bool
    scale: Scale

    @property
    def style(self) -> str:
        """The verdict as the name of a style."""
        return style_of(self.row["verdict"])

    @property
    def band(self) -> Stretch:
        """The claimed range."""
        return self.scale.claimed(self.row["expected_low"], self.row["expected_high"])

    @property
    def interval_place(self) -> Stretch | None:
        """The interval over networks, or None."""
        return self.scale.stretch(self.row["ci_low"], self.row["ci_high"])

    @property
    def spread_place(self) -> Stretch | None:
        """The spread over epochs, where it is said; or None."""
        if not self.spread:
            return None
        return self.scale.stretch(self.row["epoch_low"], self.row["epoch_high"])

    @property
    def point(self) -> float | None:
        """The estimate, or None."""
        estimate = self.row["estimate"]
        return self.scale.position(estimate) if math.isfinite(estimate) else None

    @property
    def off_the_line(self) -> str:
        """``left`` or ``right`` where something of the claim lies beyond its line, or empty."""
        seen = self.row[["estimate", "ci_low", "ci_high"]].astype(float)
        beyond = [value for value in seen if math.isfinite(value) and self.scale.beyond(value)]
        if not beyond:
            return ""
        return "left" if beyond[0] < self.scale.centre else "right"


@dataclass(frozen=True)
class Claims:
    """All claims: those judged, by part of the papers, and those that the run was not asked about.

    ``counts`` and ``adjusted_counts`` are of those judged.
    """

    parts: Sequence[tuple[str, Sequence[Judged]]]
    judged: Sequence[Judged]
    absent: Sequence[Judged]
    counts: dict[str, int]
    adjusted_counts: dict[str, int]

    @property
    def all_counts(self) -> dict[str, int]:
        """How many claims have each verdict, in the order of the filter."""
        return {**self.counts, NOT_ASKED: len(self.absent)}

    @property
    def all_parts(self) -> list[tuple[str, Sequence[Judged]]]:
        """The parts of the papers, and at the end the claims that the run was not asked about."""
        return [*self.parts, *([(PART_NOT_ASKED, self.absent)] if self.absent else [])]


def claims_of(rows: pd.DataFrame) -> Claims:
    """Return the table ``claims`` as a person reads it; what was not asked is apart."""
    judged, absent = rows[rows["experiment"] != ""], rows[rows["experiment"] == ""]
    repeated = set(judged["claim"][judged["claim"].duplicated()])
    read = {index: _read(row, row["claim"] in repeated) for index, row in judged.iterrows()}
    return Claims(
        parts=[(part, [read[index] for index in of.index]) for part, of in by_part(judged)],
        judged=list(read.values()),
        absent=[_read(row, repeated=False) for _, row in absent.iterrows()],
        counts=_counts(judged["verdict"]),
        adjusted_counts=_counts(judged["verdict_adjusted"]),
    )


def style_of(verdict: str) -> str:
    """Return a verdict as the name of a style, which holds no space."""
    return verdict.replace(" ", "-")


def interval_text(low: float, high: float) -> str:
    """Return both ends to three digits, empty where there is no interval."""
    return f"{low:.3g} to {high:.3g}" if math.isfinite(low) and math.isfinite(high) else ""


def _read(row: pd.Series, repeated: bool) -> Judged:
    interval = interval_text(row["ci_low"], row["ci_high"])
    # Beside an interval over networks, the epochs of single ones say nothing more.
    spread = "" if interval else interval_text(row["epoch_low"], row["epoch_high"])
    seen = [row["estimate"], row["ci_low"], row["ci_high"]]
    seen += [row["epoch_low"], row["epoch_high"]] if spread else []
    return Judged(
        anchor=claim_anchor(row),
        row=row,
        estimate=f"{row['estimate']:.3g}" if math.isfinite(row["estimate"]) else "none",
        interval=interval,
        spread=spread,
        range_source=RANGE_SOURCES[row["range_source"]],
        only_alone=row["verdict"] != row["verdict_adjusted"],
        repeated=repeated,
        scale=scale_of(row["expected_low"], row["expected_high"], *seen),
    )


def _counts(verdicts: pd.Series) -> dict[str, int]:
    return {verdict: int((verdicts == verdict).sum()) for verdict in VERDICTS}
