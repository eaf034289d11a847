"""Figure 3 of the preprint (ICML 2019, Appendix B): average pooling dampens, others do not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from advdim.config.sweep import FigureSettings
from advdim.figures.style import (
    LABELS,
    LEGEND,
    Colour,
    distinct,
    note_missing,
    panels,
    say_empty,
    scaled,
)
from advdim.sweep import IDENTITY
from advdim.tables.exponents import undampened

BARS = ("grad_l1_untied", "grad_l1_untied", "vulnerability", "accuracy")


def pooling(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw networks that differ in their pools: at initialisation, after training, over epochs.

    A point is a network, a bar the median over seeds; the dashes in the first panel are what the
    theorem predicts from the networks of the same size without average pools.
    """
    cells = tables["cells"]
    rows = tables["epochs"].merge(cells[[*IDENTITY, "dimension", "dampening"]])
    rows = rows[(rows["split"] == "test") & (rows["method"] == "none")]
    rows = rows.assign(group=_groups(rows))
    start, end = rows[rows["epoch"] == -1], rows[rows["summarised"]]
    figure, axes = panels(2, 3, settings)
    colours = distinct(rows["group"].unique())
    for axis, measure, chosen in zip(axes, BARS, (start, end, end, end), strict=False):
        _points_per_network(axis, chosen, measure, colours)
    axes[0].set_ylabel(LABELS["grad_l1_untied"] + ",\nat initialisation")
    _prediction(axes[0], start, list(colours))
    _over_epochs(axes[4], rows, colours)
    _vulnerability_against_gradient(axes[5], end, colours)
    note_missing(figure, cells)
    return figure


def _groups(rows: pd.DataFrame) -> pd.Series:
    """Name each row by its network, and by its size where there are several."""
    if rows["size"].nunique() < 2:
        return rows["network"]
    return rows["network"] + "\n" + rows["size"].astype(str) + " px"


def _per_cell(rows: pd.DataFrame, measure: str) -> pd.Series:
    """Return each network's median over epochs, indexed by its group."""
    medians = scaled(rows[measure], measure).groupby([rows["group"], rows["seed"]]).median()
    return medians.droplevel(1)


def _points_per_network(
    axis: Axes, rows: pd.DataFrame, measure: str, colours: Mapping[str, Colour]
) -> None:
    axis.set(ylabel=LABELS[measure], xlabel="network")
    axis.set_xticks(range(len(colours)), list(colours), rotation=20)
    axis.set_xlim(-0.6, max(len(colours), 1) - 0.4)
    if rows.empty:
        say_empty(axis, "no finished cell")
        return
    values = _per_cell(rows, measure)
    for place, (group, colour) in enumerate(colours.items()):
        found = values[values.index == group]
        spread = np.linspace(-0.12, 0.12, len(found)) if len(found) > 1 else [0.0]
        axis.plot(place + np.asarray(spread), found, "o", ms=4, color=colour, alpha=0.7)
        axis.plot([place - 0.25, place + 0.25], [found.median()] * 2, "-", color=colour, lw=2)
    axis.set_ylim(0, 1.1 * values.max())


def _prediction(axis: Axes, rows: pd.DataFrame, groups: list[str]) -> None:
    for _, of_size in rows.groupby("size"):
        predicted = undampened(of_size, "grad_l1_untied")
        for group, of_group in of_size.groupby("group"):
            expected = predicted * of_group["dampening"].iloc[0]
            place = groups.index(str(group))
            axis.plot(
                [place - 0.35, place + 0.35], [expected] * 2, "--", color="0.4",
                label="predicted without batch norm" if group == groups[0] else None,
            )  # fmt: skip
    if len(rows):
        axis.legend(**LEGEND)


def _over_epochs(axis: Axes, rows: pd.DataFrame, colours: Mapping[str, Colour]) -> None:
    axis.set(xlabel="epoch", ylabel=LABELS["grad_l1_untied"])
    if rows.empty:
        say_empty(axis, "no finished cell")
        return
    for group, of_group in rows.groupby("group"):
        median = of_group.groupby("epoch")["grad_l1_untied"].median()
        axis.plot(median.index, median, "-", color=colours[str(group)])
    axis.set_ylim(bottom=0)


def _vulnerability_against_gradient(
    axis: Axes, rows: pd.DataFrame, colours: Mapping[str, Colour]
) -> None:
    axis.set(xlabel=LABELS["grad_l1_untied"], ylabel=LABELS["vulnerability"])
    if rows.empty:
        say_empty(axis, "no finished cell")
        return
    x, y = _per_cell(rows, "grad_l1_untied"), _per_cell(rows, "vulnerability")
    for group, colour in colours.items():
        axis.plot(x[x.index == group], y[y.index == group], "o", ms=4, color=colour, alpha=0.7)
    axis.set(xlim=(0, 1.1 * x.max()), ylim=(0, 1.1 * y.max()))
