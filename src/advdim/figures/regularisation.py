"""Figure 1 (ICML 2019, Section 4.1): every training method at every strength."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from advdim.config.sweep import FigureSettings
from advdim.figures.style import (
    LABELS,
    METHOD_COLOURS,
    METHOD_LABELS,
    METHOD_MARKERS,
    note_missing,
    panels,
    say_empty,
    scaled,
    strength_axis,
    strength_positions,
)


def regularisation_methods(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw Figure 1a-f: a point per network, a curve per method."""
    cells = tables["cells"]
    figure, axes = panels(2, 3, settings)
    for axis, measure in zip(axes[:3], ("grad_l1", "vulnerability", "accuracy"), strict=True):
        _against_strength(axis, cells, measure, cells["epsilon"], LABELS["epsilon"])
    _against_measure(axes[3], cells, "grad_l1", "vulnerability")
    _against_measure(axes[4], cells, "grad_l1", "grad_l2")
    _isotropic_line(axes[4], cells)
    _against_measure(axes[5], cells, "vulnerability", "accuracy")
    _legend(figure, cells)
    note_missing(figure, cells)
    return figure


def matched_strengths(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw Figure 1a-c against the first-order strength, in which PGD is about twice as strong.

    Cross-Lipschitz has no first-order strength in these units and is left out.
    """
    cells = tables["cells"]
    known = cells[cells["first_order_factor"].notna()]
    label = r"factor of $d^{1/p}\,\mathbb{E}\,\|\partial_x L\|_q$ in the objective"
    figure, axes = panels(1, 3, settings)
    for axis, measure in zip(axes, ("grad_l1", "vulnerability", "accuracy"), strict=True):
        strengths = known["epsilon"] * known["first_order_factor"]
        _against_strength(axis, known, measure, strengths, label)
    _legend(figure, known)
    note_missing(figure, cells)
    return figure


def _against_strength(
    axis: Axes, cells: pd.DataFrame, measure: str, strengths: pd.Series, label: str
) -> None:
    column = f"{measure}_median"
    axis.set_ylabel(LABELS[measure])
    cells = cells.assign(strength=strengths).dropna(subset=[column])
    regularised, plain = cells[cells["method"] != "none"], cells[cells["method"] == "none"]
    if regularised.empty:
        say_empty(axis, "no regularised cell")
        return
    positions = strength_positions(list(regularised["strength"]))
    start = scaled(plain[column], measure).median()
    for method, rows in regularised.groupby("method"):
        colour, marker = METHOD_COLOURS[str(method)], METHOD_MARKERS[str(method)]
        values = scaled(rows[column], measure)
        axis.plot(rows["strength"], values, marker, ms=3.5, color=colour, alpha=0.7)
        curve = values.groupby(rows["strength"]).median()
        x, y = list(curve.index), list(curve)
        if np.isfinite(start):
            x, y = [positions[0.0], *x], [start, *y]
        style = "--" if method == "cross_lipschitz" else "-"
        axis.plot(x, y, style, color=colour, lw=1.2)
    axis.plot([positions[0.0]] * len(plain), scaled(plain[column], measure), "*", color="black")
    strength_axis(axis, positions, label)
    axis.set_ylim(bottom=0)


def _against_measure(axis: Axes, cells: pd.DataFrame, x: str, y: str) -> None:
    columns = [f"{x}_median", f"{y}_median"]
    rows = cells.dropna(subset=columns)
    axis.set_xlabel(LABELS[x])
    axis.set_ylabel(LABELS[y])
    if rows.empty:
        say_empty(axis, "no finished cell")
        return
    plain = rows[rows["method"] == "none"]
    for method, of_method in rows.groupby("method"):
        colour, marker = METHOD_COLOURS[str(method)], METHOD_MARKERS[str(method)]
        if method != "none":
            path = pd.concat([of_method, plain])
            curve = path.groupby("epsilon")[columns].median().sort_index()
            axis.plot(
                scaled(curve[columns[0]], x), scaled(curve[columns[1]], y), "-", color=colour, lw=1
            )
        axis.plot(
            scaled(of_method[columns[0]], x),
            scaled(of_method[columns[1]], y),
            marker,
            ms=6 if method == "none" else 3.5,
            color=colour,
            alpha=0.8,
        )


def _isotropic_line(axis: Axes, cells: pd.DataFrame) -> None:
    """Add the slope ``norm_1 / norm_2 = sqrt(2 d / pi)`` of independent normal coordinates."""
    if cells.empty:
        return
    for dimension in sorted(cells["dimension"].unique()):
        ratio = float(np.sqrt(2 * dimension / np.pi))
        right = float(cells["grad_l1_median"].max())
        axis.plot([0, right], [0, right / ratio], ":", color="0.4", lw=1)
        # trained networks lie on the line or above it: below is room
        axis.annotate(
            f"isotropic, slope 1/{ratio:.1f}", (right, right / ratio / 2), color="0.4",
            ha="right", va="top", fontsize="small",
        )  # fmt: skip


def _legend(figure: Figure, cells: pd.DataFrame) -> None:
    handles = [
        figure.axes[0].plot(
            [], [], METHOD_MARKERS[method], ls="" if method == "none" else "-",
            color=METHOD_COLOURS[method], ms=4, label=METHOD_LABELS[method],
        )[0]
        for method in METHOD_LABELS.present(cells["method"])
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
