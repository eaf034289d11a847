"""The report: claims first, then figures, networks, settings and provenance."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import yaml

from advdim.config import Config
from advdim.report.claims import claims_section, judgements
from advdim.report.figures import figures_section
from advdim.report.style import SCRIPT, STYLE, searchable

SHOWN_OF_CELLS = (
    "dataset", "network", "size", "method", "epsilon", "seed", "status", "accuracy_median",
    "vulnerability_median", "damage_median", "grad_l1_median", "grad_l1_untied_median", "epochs",
    "seconds", "experiments",
)  # fmt: skip
SECTIONS = {
    "claims-heading": "Claims",
    "figures-heading": "Figures",
    "cells-heading": "Networks",
    "settings-heading": "Settings",
    "provenance-heading": "Provenance",
}


def report_page(
    config: Config,
    claims: pd.DataFrame,
    cells: pd.DataFrame,
    figures: Mapping[tuple[str, str], Sequence[Path]],
    tables: Sequence[str],
    provenance: Mapping[str, str],
) -> str:
    """Return the page, which loads nothing.

    ``figures`` maps (experiment, figure) to its files, ``tables`` are the names of the sweep's
    tables and ``provenance`` is what made the report itself.
    """
    links = "\n".join(
        f'<li><a href="#{anchor}">{title}</a></li>' for anchor, title in SECTIONS.items()
    )
    experiments = "\n".join(
        f'<li><a href="#experiment-{name}">{html.escape(name)}</a></li>'
        for name in dict.fromkeys(owner for owner, _ in figures)
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>advdim: {html.escape(config.results)}</title>
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#claims-heading">Skip to the claims</a>
<header>
<h1>How does adversarial vulnerability depend on the dimension of the input?</h1>
<p>{len(cells)} trained networks, {len(figures)} figures, {len(judgements(claims))}
judgements of what ICML 2019, its preprint and NIPS 2017 claim.</p>
<nav aria-label="Contents"><ul>
{links}
{experiments}
</ul></nav>
</header>
<main>
{claims_section(claims)}
{figures_section(figures, claims)}
{_cells_section(cells)}
{_settings_section(config)}
{_provenance_section(cells, tables, provenance)}
</main>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _cells_section(cells: pd.DataFrame) -> str:
    columns = [name for name in SHOWN_OF_CELLS if name in cells]
    head = "".join(f'<th scope="col">{name.removesuffix("_median")}</th>' for name in columns)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{_value(row[name])}</td>" for name in columns) + "</tr>"
        for _, row in cells.iterrows()
    )
    table = f"""<div class="scroll" tabindex="0" role="region" aria-label="Networks">
<table class="dense" id="cells"><thead><tr>{head}</tr></thead><tbody>
{body}
</tbody></table></div>"""
    return f"""<section aria-labelledby="cells-heading">
<h2 id="cells-heading">Networks</h2>
<p>Medians over the last epochs, on test images; the tables hold everything.</p>
{searchable("cells", "Find networks", "pgd_linf 64 ...", table)}
</section>"""


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str):
        return html.escape(value)
    if hasattr(value, "__iter__"):
        return html.escape(", ".join(map(str, value)))
    return html.escape(str(value))


def _settings_section(config: Config) -> str:
    settings = config.model_dump(mode="json", exclude_defaults=True)
    text = html.escape(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    return f"""<section aria-labelledby="settings-heading">
<h2 id="settings-heading">Settings</h2>
<p>All that differs from the defaults; as a file, it runs this sweep again.</p>
<pre tabindex="0">{text}</pre>
</section>"""


def _provenance_section(
    cells: pd.DataFrame, tables: Sequence[str], provenance: Mapping[str, str]
) -> str:
    facts = dict(provenance) | {"Tables": ", ".join(tables)}
    if len(cells):
        facts["Hours of training and measuring"] = f"{cells['seconds'].sum() / 3600:.2f}"
        for name, column in (("Trained on", "device"), ("Code of the networks", "commit")):
            facts[name] = _counted(cells[column])
        for versions, count in Counter(cells["versions"]).items():
            found = ", ".join(f"{k} {v}" for k, v in json.loads(versions).items())
            facts[f"Versions ({count} networks)"] = found
    rows = "\n".join(
        f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(fact)}</td></tr>'
        for name, fact in facts.items()
    )
    return f"""<section aria-labelledby="provenance-heading">
<h2 id="provenance-heading">Provenance</h2>
<table><tbody>
{rows}
</tbody></table>
</section>"""


def _counted(values: pd.Series) -> str:
    return ", ".join(f"{value} ({count})" for value, count in values.value_counts().items())
