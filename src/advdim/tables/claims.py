"""Table ``claims``: the papers' sentences as statistics, with verdicts."""

from __future__ import annotations

from advdim.tables.columns import REAL, TEXT, WHOLE, Column

CLAIM_COLUMNS = (
    Column(
        "claim", TEXT, "", "key of the claim; of one network, its name ends in _of_ and the network"
    ),
    Column("experiment", TEXT, "", "experiment that it is judged on; empty: none draws its figure"),
    Column("sentence", TEXT, "", "what is claimed, in plain words"),
    Column("source", TEXT, "", "paper, and section, figure or theorem"),
    Column("figure", TEXT, "", "figure that shows it"),
    Column("statistic", TEXT, "", "what is estimated"),
    Column("estimate", REAL, "of the statistic", "the statistic on all data; NaN: undetermined"),
    Column("ci_low", REAL, "of the statistic", "lower end of the 95 % interval over networks"),
    Column("ci_high", REAL, "of the statistic", "upper end of the 95 % interval over networks"),
    Column(
        "epoch_low",
        REAL,
        "of the statistic",
        "10th percentile of the statistic over the last epochs, which says what one run can; "
        "null: the claim is not about them",
    ),
    Column("epoch_high", REAL, "of the statistic", "90th percentile, likewise"),
    Column("expected", TEXT, "", "range in which the claim holds, in words"),
    Column("expected_low", REAL, "of the statistic", "its lower end"),
    Column("expected_high", REAL, "of the statistic", "its upper end"),
    Column("range_source", TEXT, "", "whose range it is: paper, or ours"),
    Column("networks", WHOLE, "", "fewest networks (seeds) of a setting; 3 give an interval"),
    Column("count", WHOLE, "", "networks of all settings together"),
    Column(
        "p_value",
        REAL,
        "",
        "two-sided p-value of the truth lying at the end of the range that the verdict depends on; "
        "below .05 where the claim is decided",
    ),
    Column(
        "verdict", TEXT, "", "holds, fails or undecided; not asked: no experiment draws its figure"
    ),
    Column(
        "verdict_adjusted",
        TEXT,
        "",
        "the verdict, or undecided where Benjamini and Hochberg's procedure over all claims of the "
        "table with a p-value, at .05, does not decide",
    ),
    Column("reason", TEXT, "", "why"),
)
