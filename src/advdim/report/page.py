"""The report: the answer first, then claims, figures, networks, settings and provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import pandas as pd
import yaml

from advdim.config import Config
from advdim.report.answer import KEY_FIGURE, growths, lost
from advdim.report.claims import claims_of, style_of
from advdim.report.doubts import failures_of, flagged_of
from advdim.report.figures import figures_of
from advdim.report.kind import kind_of
from advdim.report.networks import networks_of, provenance_of
from advdim.words import counted

# The tables that the page is filled from.
READ = ("cells", "epochs", "attack_summaries", "claims")
SECTIONS = {
    "answer": "The answer",
    "claims": "Claims",
    "figures": "Figures",
    "doubts": "Doubts and failures",
    "cells": "Networks",
    "settings": "Settings",
    "provenance": "Provenance",
}


def report_page(
    config: Config,
    tables: Mapping[str, pd.DataFrame],
    figures: Mapping[tuple[str, str], Sequence[Path]],
    provenance: Mapping[str, str],
) -> str:
    """Return the page, which loads nothing.

    ``tables`` are those of ``READ`` by name, ``figures`` maps (experiment, figure) to its files,
    and ``provenance`` is what made the report itself.
    """
    cells, drawn = tables["cells"], figures_of(figures)
    key = [figure for figure in drawn if figure.figure == KEY_FIGURE]
    return _environment().get_template("page.html").render(
        title=config.results,
        sections=SECTIONS,
        key_figures=key,
        growths={figure.experiment: growths(tables, figure.experiment) for figure in key},
        lost={figure.experiment: lost(tables, figure.experiment) for figure in key},
        kind=kind_of(config, cells),
        claims=claims_of(tables["claims"]),
        figures=drawn,
        experiments=list(dict.fromkeys(figure.experiment for figure in drawn)),
        flagged=flagged_of(tables),
        failures=failures_of(config, cells),
        networks=networks_of(cells),
        settings=_settings(config),
        provenance={**provenance, **provenance_of(cells)},
    )  # fmt: skip


def percent(fraction: float) -> str:
    """Return a fraction in percent, to a tenth."""
    return f"{100 * fraction:.1f} %"


def points(difference: float) -> str:
    """Return a difference of fractions in percentage points, with its sign."""
    return f"{100 * difference:+.1f}".replace("-", "\N{MINUS SIGN}")


def digits(value: float) -> str:
    """Return a number to three digits."""
    return f"{value:.3g}"


def probability(value: float) -> str:
    """Return a p-value to two digits; what is tiny as a bound."""
    return f"{value:.2g}" if value >= 1e-3 else "below .001"


def place(percentage: float) -> str:
    """Return a place along a line of the picture."""
    return f"{percentage:.2f}%"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("advdim.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        filter_.__name__: filter_
        for filter_ in (percent, points, digits, probability, place, style_of, counted)
    }
    return environment


def _settings(config: Config) -> str:
    settings = config.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
