"""Every figure with its caption, as a page can hold it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from advdim.catalogue.figures import FIGURES
from advdim.report.claims import figure_anchor

# What a browser shows, by preference.
TYPES = {"png": "image/png", "svg": "image/svg+xml"}


@dataclass(frozen=True)
class Drawn:
    """One figure of an experiment; ``source`` holds its image, empty where no page can show it."""

    experiment: str
    figure: str
    anchor: str
    title: str
    caption: str
    source: str
    files: Sequence[str]
    of_cells: bool


def figures_of(drawn: Mapping[tuple[str, str], Sequence[Path]]) -> list[Drawn]:
    """Return the figures: ``drawn`` maps (experiment, figure) to its files."""
    return [
        Drawn(
            experiment=experiment,
            figure=figure,
            anchor=figure_anchor(experiment, figure),
            title=FIGURES[figure].title,
            caption=FIGURES[figure].caption,
            source=_source(files),
            files=[file.name for file in files],
            of_cells="cells" in FIGURES[figure].tables,
        )
        for (experiment, figure), files in drawn.items()
    ]


def _source(files: Sequence[Path]) -> str:
    by_suffix = {file.suffix[1:]: file for file in files}
    for suffix, kind in TYPES.items():
        if suffix in by_suffix:
            data = base64.b64encode(by_suffix[suffix].read_bytes()).decode()
            return f"data:{kind};base64,{data}"
    return ""
