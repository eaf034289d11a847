"""The look of every figure: colours of methods, labels of measures, and how a figure is saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count, product
from pathlib import Path
from string import ascii_lowercase
from typing import Any, TypeVar

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedFormatter,
    FixedLocator,
    NullFormatter,
    NullLocator,
    StrMethodFormatter,
)

from advdim.catalogue.attacks import ATTACKS
from advdim.catalogue.entries import HasLook
from advdim.catalogue.methods import METHODS
from advdim.catalogue.palette import PALETTE
from advdim.config.sweep import FigureSettings
from advdim.files import atomic

Colour = tuple[float, float, float]
_PALETTE = [to_rgb(colour) for colour in PALETTE]
SPARE_COLOURS = [_PALETTE[k] for k in (5, 6, 7, 3)]
SPARE_MARKERS = "PpdH<>8"
# Names of the user's in the order in which a figure comes across them: no two look alike.
_SPARED: dict[str, int] = {}
Look = TypeVar("Look")


class Looks(dict[str, Look]):
    """What known names look like, and a fallback for those of the user's, per figure."""

    def __init__(self, known: Mapping[str, Look], spare: Callable[[str], Look]) -> None:
        super().__init__(known)
        self.spare = spare

    def __missing__(self, name: str) -> Look:
        """Return the fallback, the same within a figure."""
        return self.spare(name)

    def present(self, names: Iterable[str]) -> list[str]:
        """Return those of the names that occur, known ones first and in their order."""
        there = set(names)
        return [name for name in self if name in there] + sorted(there - set(self))


def _spare(name: str) -> int:
    return _SPARED.setdefault(name, len(_SPARED))


def _spare_colour(name: str) -> Colour:
    return SPARE_COLOURS[_spare(name) % len(SPARE_COLOURS)]


def _spare_marker(name: str) -> str:
    return SPARE_MARKERS[_spare(name) % len(SPARE_MARKERS)]


def _spare_label(name: str) -> str:
    return name.replace("_", " ")


def _colours(entries: Mapping[str, HasLook]) -> Looks[Any]:
    known = {name: to_rgb(entry.look.colour) for name, entry in entries.items()}
    return Looks(known, _spare_colour)


def _markers(entries: Mapping[str, HasLook]) -> Looks[str]:
    return Looks({name: entry.look.marker for name, entry in entries.items()}, _spare_marker)


def _labels(entries: Mapping[str, HasLook]) -> Looks[str]:
    return Looks({name: entry.look.label for name, entry in entries.items()}, _spare_label)


METHOD_COLOURS, ATTACK_COLOURS = _colours(METHODS), _colours(ATTACKS)
METHOD_MARKERS, ATTACK_MARKERS = _markers(METHODS), _markers(ATTACKS)
METHOD_LABELS, ATTACK_LABELS = _labels(METHODS), _labels(ATTACKS)
LABELS = {
    "grad_l1": r"$\mathbb{E}\,\|\partial_x L\|_1$",
    "grad_l2": r"$\mathbb{E}\,\|\partial_x L\|_2$",
    "grad_l1_untied": r"$\mathbb{E}\,\|\partial_x L\|_1$, ties broken",
    "grad_l2_untied": r"$\mathbb{E}\,\|\partial_x L\|_2$, ties broken",
    "grad_nonzero": "non-zero gradient coordinates (%)",
    "vulnerability": "adversarial vulnerability (%)",
    "vulnerability_of_label": "the same, attacking the label's loss (%)",
    "accuracy": "accuracy (%)",
    "adversarial_accuracy": "adversarial accuracy (%)",
    "error": "error (%)",
    "loss": "cross-entropy (nats)",
    "damage": "damage to the loss (nats)",
    "accuracy_damage": "damage to the accuracy (%)",
    "gap": r"$\mathbb{E}\,\|\partial_x L\|_1$, test less train",
    "epsilon": r"strength $\epsilon_\infty = \epsilon_p\, d^{-1/p}$ (normalised)",
    "threshold": r"attack threshold $\epsilon_\infty$ (normalised)",
    "first_order_strength": r"$\epsilon_\infty\, \mathbb{E}\,\|\partial_x L\|_1$ (nats)",
    "first_order": r"first-order prediction $\epsilon_p\,\mathbb{E}\,\|\partial_x L\|_q$ (nats)",
    "inverse_norm": r"1 / median smallest $\ell_\infty$ norm",
    "root_dimension": r"$\sqrt{d}$",
}
LEGEND: dict[str, Any] = {"frameon": False, "fontsize": "small", "title_fontsize": "small"}
PERCENTAGES = {
    "vulnerability",
    "vulnerability_of_label",
    "accuracy",
    "error",
    "adversarial_accuracy",
    "accuracy_damage",
    "grad_nonzero",
}


def _use_theme(settings: FigureSettings) -> None:
    plt.style.use(["default", "seaborn-v0_8-notebook", "seaborn-v0_8-ticks"])
    # TrueType fonts, so that text in a PDF stays text.
    mpl.rcParams.update({"font.size": settings.font_size, "pdf.fonttype": 42})


def _sampled(colormap: str, count: int) -> list[Colour]:
    """Return ``count`` colours at equal distances within a colormap, without its ends."""
    positions = np.linspace(0, 1, count + 2)[1:-1]
    return [to_rgb(colour) for colour in mpl.colormaps[colormap](positions)]


def panels(rows: int, columns: int, settings: FigureSettings) -> tuple[Figure, list[Axes]]:
    """Return a figure of rows x columns panels, lettered a, b, c, ..., as a flat list."""
    _SPARED.clear()
    _use_theme(settings)
    for text in ("axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize"):
        mpl.rcParams[text] = settings.font_size
    figure, grid = plt.subplots(
        rows, columns, figsize=(3.5 * columns, 2.9 * rows), squeeze=False, layout="constrained"
    )
    axes = list(grid.flat)
    for letter, axis in zip(_letters(), axes, strict=False):
        axis.set_title(letter, loc="left", fontweight="bold", fontsize=settings.font_size + 1)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _letters() -> Iterator[str]:
    """Yield a to z, then aa, ab, ..."""
    for length in count(1):
        yield from map("".join, product(ascii_lowercase, repeat=length))


def image_grid(rows: int, columns: int, settings: FigureSettings) -> tuple[Figure, np.ndarray]:
    """Return a figure for rows x columns images, frames without ticks."""
    _use_theme(settings)
    figure, axes = plt.subplots(
        rows, columns, figsize=(1.15 * columns, 1.3 * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    return figure, axes


def scaled(values: pd.Series, measure: str) -> pd.Series:
    """Return a measure as it stands on axes: fractions in percent."""
    return values * 100 if measure in PERCENTAGES else values


def sequential(values: Iterable[Any]) -> dict[Any, Colour]:
    """Return a colour for each of some ordered values, from dark to light."""
    ordered = sorted(set(values))
    return dict(zip(ordered, _sampled("viridis", len(ordered)), strict=True))


def quantity_colours(names: Iterable[str]) -> dict[str, Colour]:
    """Return a colour for each of some unordered quantities."""
    return dict(zip(names, [_PALETTE[k] for k in (4, 0, 2, 8)], strict=True))


def distinct(values: Iterable[Any]) -> dict[Any, Colour]:
    """Return a colour for each of some unordered values, in their order."""
    named = list(values)
    palette = _PALETTE if len(named) <= len(_PALETTE) else _sampled("turbo", len(named))
    return dict(zip(named, palette, strict=False))


def strength_positions(strengths: Sequence[float]) -> dict[float, float]:
    """Return positions on a logarithmic axis; 0 stands half a decade left of the smallest."""
    positive = sorted({s for s in strengths if s > 0})
    zero = positive[0] / 10**0.5 if positive else 1.0
    return {0.0: zero, **{s: s for s in positive}}


def strength_axis(axis: Axes, positions: dict[float, float], label: str) -> None:
    """Make the x-axis logarithmic, 0 at its own place, and mark decades, or the few strengths."""
    axis.set_xscale("log")
    axis.set_xlabel(label)
    strengths = sorted(s for s in positions if s > 0)
    exponents = np.log10(strengths)
    low, high = (np.floor(min(exponents)), np.ceil(max(exponents))) if strengths else (0, 0)
    decades = [10.0**e for e in np.arange(low, high + 1) if 10.0**e > positions[0.0] * 1.2]
    decades = [d for d in decades if d <= max(positions.values()) * 1.5]
    marked = decades if len(decades) > 1 or len(strengths) > 3 else strengths
    axis.xaxis.set_major_locator(FixedLocator([positions[0.0], *marked]))
    axis.xaxis.set_major_formatter(FixedFormatter(["0", *(f"{d:g}" for d in marked)]))
    axis.xaxis.set_minor_locator(NullLocator())


def logarithmic_axis(axis: Axis) -> None:
    """Make an axis logarithmic, with few marks: those between decades print over each other."""
    axis.axes.set(**{"xscale" if isinstance(axis, XAxis) else "yscale": "log"})
    axis.set_minor_formatter(NullFormatter())
    low, high = max(axis.get_data_interval()[0], axis.get_minpos()), axis.get_data_interval()[1]
    if not low <= high < 100 * low:
        return
    marks = [low, high]
    for within in ((1, 3), (1, 2, 5)):
        decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
        inside = [d * m for d in decades for m in within if 0.97 * low <= d * m <= 1.03 * high]
        if len(inside) > 1:
            marks = inside
            break
    axis.set_major_locator(FixedLocator(marks))
    axis.set_major_formatter(StrMethodFormatter("{x:.2g}"))


def strength_label(rows: pd.DataFrame) -> str:
    """Name the strength of training by its method, where the rows have one method only."""
    names = [name for name in rows["method"].unique() if name != "none"]
    return rf"{METHOD_LABELS[names[0]]}, $\epsilon$" if len(names) == 1 else r"strength $\epsilon$"


def legend_columns(figure: Figure) -> int:
    """Return how many short entries of a legend fit side by side."""
    return min(6, int(figure.get_figwidth() / 1.2))


def say_empty(axis: Axes, reason: str) -> None:
    """Write into a panel why it shows nothing."""
    axis.text(0.5, 0.5, reason, transform=axis.transAxes, ha="center", va="center", color="0.4")


def note_missing(figure: Figure, cells: pd.DataFrame) -> None:
    """Name the cells that diverged or failed at the foot of a figure: a failure is a result."""
    lines = []
    for status in ("diverged", "failed"):
        names = [
            f"{row.network}, {row.method} {row.epsilon:g} at {row.size} px, seed {row.seed}"
            for row in cells[cells["status"] == status].itertuples()
        ]
        if names:
            shown = "; ".join(names[:4]) + (" ..." if len(names) > 4 else "")
            lines.append(f"{status.capitalize()}, not shown: {len(names)} ({shown})")
    if lines:
        figure.text(0.01, -0.02, "\n".join(lines), color="firebrick", va="top")


def save(figure: Figure, paths: Iterable[str | Path], settings: FigureSettings) -> None:
    """Save a figure atomically, in the format of each path's suffix; close it elsewhere."""
    # Its layout, half of what a file takes, is found once for all of them.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for legend in figure.legends:
        # Otherwise it goes to the edge of what is saved, over the note on missing cells.
        legend.set_bbox_to_anchor((0, 0, 1, 1), transform=figure.transFigure)
    for path in paths:
        _save(figure, path, settings)


def _save(figure: Figure, path: str | Path, settings: FigureSettings) -> None:
    suffix = Path(path).suffix[1:]
    # No date and no random names in the file: the same table gives the same bytes.
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[suffix]
    with atomic(path) as temporary, mpl.rc_context({"svg.hashsalt": "advdim"}):
        figure.savefig(
            temporary, format=suffix, dpi=settings.dpi, metadata=metadata, bbox_inches="tight"
        )
