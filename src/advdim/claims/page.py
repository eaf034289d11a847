"""The table of claims as a page that a person reads: one HTML file that needs nothing else."""

from __future__ import annotations

import html
import math

import pandas as pd

VERDICTS = ("holds", "fails", "undecided")
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 72rem;
       padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .5rem .6rem;
         border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
td small { display: block; opacity: .75; }
.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
.verdict { font-weight: 600; min-width: 9rem; }
.verdict small { color: CanvasText; font-weight: normal; }
td:first-child { min-width: 20rem; }
.holds { color: #1a7f37; } .fails { color: #c62828; } .undecided { color: #7a6a00; }
@media (prefers-color-scheme: dark) {
  .holds { color: #56d364; } .fails { color: #ff7b72; } .undecided { color: #e3b341; } }
input { font: inherit; padding: .4rem .6rem; width: 100%; max-width: 24rem; margin: .3rem 0 1rem; }
@media (max-width: 45rem) {
  thead { position: absolute; left: -999rem; }
  tr { display: block; padding: .6rem 0; border-bottom: 2px solid; }
  td, td:first-child { display: block; border: 0; padding: .15rem 0; min-width: 0; }
  td[data-label]::before { content: attr(data-label) ": "; opacity: .7; } }
"""
SCRIPT = """
const search = document.querySelector("input");
const rows = [...document.querySelectorAll("tbody tr")];
search.addEventListener("input", () => {
  const words = search.value.toLowerCase().split(/\\s+/);
  for (const row of rows)
    row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
});
"""


def claims_page(rows: pd.DataFrame, figure_format: str | None = "png") -> str:
    """Return the page for the table ``claims``; figures are linked beside it, if in this format."""
    counts = rows["verdict"].value_counts()
    summary = ", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in VERDICTS)
    body = "\n".join(_row(row, figure_format) for _, row in rows.iterrows())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Claims</title>
<style>{STYLE}</style>
</head>
<body>
<h1>What the papers claim, and what this run shows</h1>
<p>{len(rows)} judgements: {summary}. A claim holds where the 95 % bootstrap interval of its
statistic lies in the claimed range, fails where it lies outside, and is undecided otherwise.</p>
<label for="search">Find claims</label><br>
<input id="search" type="search" placeholder="gradient, Figure 2, fails ...">
<table>
<thead><tr><th scope="col">Claim</th><th scope="col">Verdict</th><th scope="col">Estimate</th>
<th scope="col">Claimed</th><th scope="col">Seen in</th></tr></thead>
<tbody>
{body}
</tbody>
</table>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _row(row: pd.Series, figure_format: str | None) -> str:
    text = {
        name: html.escape(str(row[name]))
        for name in ("claim", "sentence", "source", "statistic", "expected", "verdict", "reason")
    }
    return f"""<tr id="{text["claim"]}">
<td>{text["sentence"]}<small>{text["source"]}. Measured: {text["statistic"]}.</small></td>
<td class="verdict {text["verdict"]}">{text["verdict"]}<small>{text["reason"]}</small></td>
<td class="number" data-label="Estimate">{_estimate(row)}</td>
<td class="number" data-label="Claimed">{text["expected"]}</td>
<td data-label="Seen in">{_place(row, figure_format)}</td>
</tr>"""


def _estimate(row: pd.Series) -> str:
    if not math.isfinite(row["estimate"]):
        return "none"
    estimate = f"{row['estimate']:.3g}"
    if not math.isfinite(row["ci_low"]):
        return estimate
    return f"{estimate}<small>{row['ci_low']:.3g} to {row['ci_high']:.3g}</small>"


def _place(row: pd.Series, figure_format: str | None) -> str:
    experiment, figure = html.escape(row["experiment"]), html.escape(row["figure"])
    if not experiment or figure_format is None:
        return figure
    link = f"figures/{experiment}/{figure}.{figure_format}"
    units = f"draws of {int(row['count'])} units: {html.escape(row['unit'])}"
    return f'<a href="{link}">{figure}</a><small>{experiment}; {units}</small>'
