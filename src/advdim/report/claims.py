"""The table of claims as a person reads it, each linked to its figure."""

from __future__ import annotations

import html
import math

import pandas as pd

from advdim.report.style import searchable

VERDICTS = ("holds", "fails", "undecided")


def figure_anchor(experiment: str, figure: str) -> str:
    """Return the place of a figure within the report."""
    return f"figure-{experiment}-{figure}"


def claim_anchor(row: pd.Series) -> str:
    """Return the place of a judgement within the report."""
    return "-".join(part for part in ("claim", row["experiment"], row["claim"]) if part)


def judgements(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the table ``claims`` whose figure an experiment draws."""
    return rows[rows["experiment"] != ""]


def claims_section(rows: pd.DataFrame) -> str:
    """Return the section for the table ``claims``; what no experiment draws comes last."""
    judged, absent = judgements(rows), rows[rows["experiment"] == ""]
    counts = judged["verdict"].value_counts()
    summary = ", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in VERDICTS)
    rest = f" {len(absent)} more, at the end, are about figures that this run does not draw."
    body = "\n".join(_row(row) for _, row in pd.concat([judged, absent]).iterrows())
    table = f"""<table class="claims" id="claims">
<thead><tr><th scope="col">Claim</th><th scope="col">Verdict</th><th scope="col">Estimate</th>
<th scope="col">Claimed</th><th scope="col">Seen in</th></tr></thead>
<tbody>
{body}
</tbody>
</table>"""
    return f"""<section aria-labelledby="claims-heading">
<h2 id="claims-heading">What the papers claim, and what this run shows</h2>
<p>{len(judged)} judgements: {summary}. A claim holds where the 95 % interval, over networks, of its
statistic lies in the claimed range, fails where it lies outside, and is undecided
otherwise.{rest if len(absent) else ""}</p>
{searchable("claims", "Find claims", "gradient, Figure 2, fails ...", table)}
</section>"""


def _row(row: pd.Series) -> str:
    text = {
        name: html.escape(str(row[name]))
        for name in ("sentence", "source", "statistic", "expected", "verdict", "reason")
    }
    return f"""<tr id="{html.escape(claim_anchor(row))}">
<td>{text["sentence"]}<small>{text["source"]}. Measured: {text["statistic"]}.</small></td>
<td class="verdict {text["verdict"]}">{text["verdict"]}<small>{text["reason"]}</small></td>
<td class="number" data-label="Estimate">{_estimate(row)}</td>
<td class="number" data-label="Claimed">{text["expected"]}</td>
<td data-label="Seen in">{_place(row)}</td>
</tr>"""


def _estimate(row: pd.Series) -> str:
    if not math.isfinite(row["estimate"]):
        return "none"
    estimate = f"{row['estimate']:.3g}"
    if not math.isfinite(row["ci_low"]):
        return estimate
    return f"{estimate}<small>{row['ci_low']:.3g} to {row['ci_high']:.3g}</small>"


def _place(row: pd.Series) -> str:
    experiment, figure = html.escape(row["experiment"]), html.escape(row["figure"])
    if not experiment:
        return figure
    units = f"{int(row['count'])} networks, {int(row['networks'])} or more of a setting"
    link = f'<a href="#{figure_anchor(experiment, figure)}">{figure}</a>'
    return f"{link}<small>{experiment}; {units}</small>"
