"""Every figure with its caption, the verdicts on it, and a way to its networks."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from advdim.figures.captions import CAPTIONS
from advdim.figures.registry import FIGURES
from advdim.report.claims import claim_anchor, figure_anchor

# What a browser shows, by preference.
TYPES = {"png": "image/png", "svg": "image/svg+xml"}


def figures_section(drawn: Mapping[tuple[str, str], Sequence[Path]], claims: pd.DataFrame) -> str:
    """Return the section of figures: ``drawn`` maps (experiment, figure) to its files."""
    parts = []
    experiments = dict.fromkeys(experiment for experiment, _ in drawn)
    for experiment in experiments:
        parts.append(f'<h3 id="experiment-{experiment}">{html.escape(experiment)}</h3>')
        parts += [
            _figure(experiment, figure, files, claims)
            for (owner, figure), files in drawn.items()
            if owner == experiment
        ]
    return f"""<section aria-labelledby="figures-heading">
<h2 id="figures-heading">Figures</h2>
{chr(10).join(parts)}
</section>"""


def _figure(experiment: str, figure: str, files: Sequence[Path], claims: pd.DataFrame) -> str:
    title, caption = html.escape(FIGURES[figure].title), html.escape(CAPTIONS[figure])
    return f"""<figure id="{figure_anchor(experiment, figure)}">
{_image(files, f"{title}. {caption}")}
<figcaption><strong>{title}.</strong> {caption}
{_verdicts(experiment, figure, claims)}
{_networks(experiment) if "cells" in FIGURES[figure].tables else ""}</figcaption>
</figure>"""


def _networks(experiment: str) -> str:
    return f'<a href="#cells-heading" data-search="{html.escape(experiment)}">Its networks</a>'


def _image(files: Sequence[Path], alternative: str) -> str:
    by_suffix = {file.suffix[1:]: file for file in files}
    for suffix, kind in TYPES.items():
        if suffix in by_suffix:
            data = base64.b64encode(by_suffix[suffix].read_bytes()).decode()
            return f'<img alt="{alternative}" src="data:{kind};base64,{data}">'
    return f"<p>Drawn as {', '.join(file.name for file in files)}, which a page cannot show.</p>"


def _verdicts(experiment: str, figure: str, claims: pd.DataFrame) -> str:
    here = claims[(claims["experiment"] == experiment) & (claims["figure"] == figure)]
    if here.empty:
        return ""
    links = "; ".join(
        f'<a href="#{html.escape(claim_anchor(row))}">{html.escape(row["sentence"][:-1])}</a>: '
        f'<span class="{row["verdict"]}">{row["verdict"]}</span>'
        for _, row in here.iterrows()
    )
    return f"<br>Claims: {links}.<br>"
