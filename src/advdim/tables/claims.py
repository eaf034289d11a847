"""Table ``claims``: the papers' sentences as statistics, with verdicts."""

from __future__ import annotations

from advdim.tables.columns import REAL, TEXT, WHOLE, Column

CLAIM_COLUMNS = (
    Column("claim", TEXT, "", "key of the claim"),
    Column("experiment", TEXT, "", "experiment that it is judged on; empty: none draws its figure"),
    Column("sentence", TEXT, "", "what is claimed, in plain words"),
    Column("source", TEXT, "", "paper, and section, figure or theorem"),
    Column("figure", TEXT, "", "figure that shows it"),
    Column("statistic", TEXT, "", "what is estimated"),
    Column("estimate", REAL, "of the statistic", "the statistic on all data; NaN: undetermined"),
    Column("ci_low", REAL, "of the statistic", "lower end of the 95 % bootstrap interval"),
    Column("ci_high", REAL, "of the statistic", "upper end of the 95 % bootstrap interval"),
    Column("expected", TEXT, "", "range in which the claim holds, in words"),
    Column("expected_low", REAL, "of the statistic", "its lower end"),
    Column("expected_high", REAL, "of the statistic", "its upper end"),
    Column("unit", TEXT, "", "what the bootstrap draws"),
    Column("count", WHOLE, "", "number of units"),
    Column("verdict", TEXT, "", "holds, fails or undecided"),
    Column("reason", TEXT, "", "why"),
)
