"""Figure 2 (ICML 2019, Section 4.2): what grows with the input dimension, and what does not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.interpolate import UnivariateSpline

from advdim.config.sweep import FigureSettings
from advdim.figures.style import (
    LABELS,
    LEGEND,
    Colour,
    note_diverged,
    panels,
    say_empty,
    scaled,
    sequential,
    strength_axis,
    strength_positions,
)


def input_dimension(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw Figure 2a-d, and the gradient norm a second time at the image with its ties.

    Statistics are median, 10th and 90th percentile over the last epochs of all seeds.
    """
    cells, epochs = tables["cells"], tables["epochs"]
    rows = epochs[epochs["summarised"] & (epochs["split"] == "test")]
    rows = rows.merge(
        cells[["dataset", "network", "size", "method", "epsilon", "seed", "dimension"]]
    )
    figure, axes = panels(2, 3, settings)
    _against_dimension(axes[0], rows, "vulnerability")
    _against_dimension(axes[1], rows, "grad_l1_untied")
    _against_dimension(axes[2], rows, "grad_l1")
    axes[2].set_ylabel(LABELS["grad_l1"] + ", at the image")
    _accuracy_against_strength(axes[3], rows)
    _accuracy_against_vulnerability(axes[4], rows, settings.spline_smoothing)
    _against_dimension(axes[5], rows, "grad_nonzero")
    for axis in axes[:3]:
        axis.set_ylim(bottom=0)
    if len(rows):
        axes[0].legend(title=r"PGD $\epsilon$", **LEGEND)
        axes[4].legend(title="size (pixels)", **LEGEND)
    note_diverged(figure, cells)
    return figure


def _statistics(rows: pd.DataFrame, by: str, measure: str) -> pd.DataFrame:
    values = scaled(rows[measure], measure)
    grouped = values.groupby(rows[by])
    return pd.DataFrame(
        {"median": grouped.median(), "low": grouped.quantile(0.1), "high": grouped.quantile(0.9)}
    ).dropna()


def _curve(axis: Axes, x: object, statistics: pd.DataFrame, color: Colour, label: str) -> None:
    median = statistics["median"]
    errors = np.array([median - statistics["low"], statistics["high"] - median])
    axis.errorbar(
        np.asarray(x), median, errors, ls="--", marker="o", ms=3.5, lw=1.2, capsize=2,
        color=color, label=label,
    )  # fmt: skip


def _against_dimension(axis: Axes, rows: pd.DataFrame, measure: str) -> None:
    axis.set_xlabel(LABELS["root_dimension"])
    axis.set_ylabel(LABELS[measure])
    if rows.empty:
        say_empty(axis, "no finished cell")
    colours = sequential(rows["epsilon"])
    for epsilon, of_strength in rows.groupby("epsilon"):
        statistics = _statistics(of_strength, "dimension", measure)
        x = np.sqrt(statistics.index.to_numpy(float))
        _curve(axis, x, statistics, color=colours[epsilon], label=f"{epsilon:g}")


def _accuracy_against_strength(axis: Axes, rows: pd.DataFrame) -> None:
    axis.set_ylabel(LABELS["accuracy"])
    positions = strength_positions(list(rows["epsilon"]))
    colours = sequential(rows["size"])
    for size, of_size in rows.groupby("size"):
        statistics = _statistics(of_size, "epsilon", "accuracy")
        x = statistics.index.map(positions)
        _curve(axis, x, statistics, color=colours[size], label=f"{size}")
    strength_axis(axis, positions, r"PGD strength $\epsilon_\infty$")


def _accuracy_against_vulnerability(axis: Axes, rows: pd.DataFrame, smoothing: float) -> None:
    """Draw one point per network and summarised epoch, and a smoothing spline per size."""
    axis.set_xlabel(LABELS["vulnerability"])
    axis.set_ylabel(LABELS["accuracy"])
    colours = sequential(rows["size"])
    for size, of_size in rows.groupby("size"):
        points = of_size[["vulnerability", "accuracy"]].dropna().sort_values("vulnerability") * 100
        x, y = points["vulnerability"].to_numpy(), points["accuracy"].to_numpy()
        colour = colours[size]
        axis.plot(x, y, ".", ms=2.5, color=colour, alpha=0.4)
        axis.plot(*smoothed(x, y, smoothing), "-", color=colour, lw=1.4, label=f"{size}")
    if len(rows):
        values = rows["accuracy"].dropna() * 100
        # A spline may swing between sparse points; the axis keeps to the data.
        axis.set_ylim(max(0, values.min() - 5), min(100, values.max() + 5))


def smoothed(x: np.ndarray, y: np.ndarray, smoothing: float) -> tuple[np.ndarray, np.ndarray]:
    """Return 200 points of scipy's smoothing spline, empty where there are too few values of x.

    Points with equal x enter as their mean, weighted by the root of their number: the same
    least-squares problem, and repeated abscissae make the spline undefined.
    """
    distinct, which, counts = np.unique(x, return_inverse=True, return_counts=True)
    if len(distinct) < 4:
        return np.empty(0), np.empty(0)
    means = np.bincount(which, y) / counts
    spline = UnivariateSpline(distinct, means, w=np.sqrt(counts), s=smoothing)
    fine = np.linspace(distinct[0], distinct[-1], 200)
    return fine, spline(fine)
