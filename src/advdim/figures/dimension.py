"""Figures 2 and 7 (ICML 2019, Section 4.2): what grows with the input dimension, what does not."""

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
    METHOD_LABELS,
    METHOD_MARKERS,
    PERCENTAGES,
    Colour,
    note_missing,
    panels,
    say_empty,
    scaled,
    sequential,
    strength_axis,
    strength_label,
    strength_positions,
)
from advdim.sweep import IDENTITY
from advdim.tables.derived import last_test_epochs
from advdim.tables.intervals import FEWEST_NETWORKS, half_width


def input_dimension(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw Figure 2a-d, and the gradient norm a second time at the image with its ties.

    Statistics are median, 10th and 90th percentile over the last epochs of all seeds.
    """
    cells, rows = tables["cells"], _last_epochs(tables)
    figure, axes = panels(2, 3, settings)
    _against_dimension(axes[0], rows, "vulnerability")
    _against_dimension(axes[1], rows, "grad_l1_untied")
    _against_dimension(axes[2], rows, "grad_l1")
    axes[2].set_ylabel(LABELS["grad_l1"] + ", at the image")
    _against_strength(axes[3], rows, "accuracy")
    _accuracy_against_vulnerability(axes[4], rows, settings.spline_smoothing)
    _against_dimension(axes[5], rows, "grad_nonzero")
    for axis in axes[:3]:
        axis.set_ylim(bottom=0)
    if len(rows):
        axes[0].legend(title=strength_label(rows), **LEGEND)
        axes[4].legend(title="size (pixels)", **LEGEND)
    note_missing(figure, cells)
    return figure


def regularisation_by_size(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw Figure 7: the panels of Figure 1, a curve per size instead of a method.

    Statistics as in Figure 2; the last three panels connect the medians of rising strengths.
    """
    cells, rows = tables["cells"], _last_epochs(tables)
    figure, axes = panels(2, 3, settings)
    for axis, measure in zip(axes, ("grad_l1_untied", "vulnerability", "accuracy"), strict=False):
        _against_strength(axis, rows, measure)
        axis.set_ylim(bottom=0)
    _against_measure(axes[3], rows, "grad_l1_untied", "vulnerability")
    _against_measure(axes[4], rows, "grad_l1_untied", "grad_l2_untied")
    _isotropic_lines(axes[4], rows)
    _against_measure(axes[5], rows, "vulnerability", "accuracy")
    if len(rows):
        axes[0].legend(title="size (pixels)", **LEGEND)
    note_missing(figure, cells)
    return figure


def usual_training(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw networks trained without a method against sqrt(d): Figure 1 of the preprint.

    A point is a network, its median over the last epochs; the curve is the median over networks,
    with 10th and 90th percentile. The last panel has damage against its first-order prediction.
    """
    cells = tables["cells"]
    plain = cells[cells["method"] == "none"]
    figure, axes = panels(2, 2, settings)
    for axis, measure in zip(axes, ("vulnerability", "grad_l1_untied", "accuracy"), strict=False):
        rows = plain.assign(**{measure: plain[f"{measure}_median"]}).dropna(subset=[measure])
        _against_dimension(axis, rows, measure)
        x = np.sqrt(rows["dimension"].astype(float))
        axis.plot(x, scaled(rows[measure], measure), ".", ms=4, color="0.5", zorder=0)
        axis.set_ylim(bottom=0)
    _damage_against_prediction(axes[3], plain.dropna(subset=["damage_median"]))
    note_missing(figure, cells)
    return figure


def dimension_growth(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw gradient norm and vulnerability against sqrt(d), beside the line through the origin.

    Curves are means over networks, each the median of its last epochs, with Student's 95 %
    interval where a setting has three networks or more; a marker is a method, a colour a strength.
    """
    cells = tables["cells"]
    figure, axes = panels(1, 2, settings)
    for axis, measure in zip(axes, ("grad_l1_untied", "vulnerability"), strict=True):
        _beside_the_law(axis, cells.dropna(subset=[f"{measure}_median"]), measure)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, **LEGEND)
    note_missing(figure, cells)
    return figure


def downsampling(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw PGD training on original images against that on downsampled ones: Figure 13.

    Adversarial accuracy against the strength and accuracy against vulnerability, a curve per size;
    then the adversarial accuracy of each size's best strength, with 10th and 90th percentile.
    """
    cells, rows = tables["cells"], _last_epochs(tables)
    figure, axes = panels(1, 3, settings)
    _against_strength(axes[0], rows, "adversarial_accuracy")
    _against_measure(axes[1], rows, "vulnerability", "accuracy")
    _against_dimension(axes[2], best_strengths(rows).assign(epsilon=0.0), "adversarial_accuracy")
    axes[2].set_ylabel(LABELS["adversarial_accuracy"] + ",\nbest strength")
    if len(rows):
        axes[0].legend(title="size (pixels)", **LEGEND)
    note_missing(figure, cells)
    return figure


def best_strengths(rows: pd.DataFrame) -> pd.DataFrame:
    """Return, of each size, the rows of the strength whose median adversarial accuracy is best."""
    medians = rows.groupby(["size", "epsilon"])["adversarial_accuracy"].median()
    if medians.empty:
        return rows
    best = pd.DataFrame(list(medians.groupby("size").idxmax()), columns=["size", "epsilon"])
    return rows.merge(best)


def mean_intervals(rows: pd.DataFrame, value: str) -> pd.DataFrame:
    """Return, per dimension, the mean over networks and the half width of its 95 % interval.

    Columns ``mean`` and ``half``; the half width is NaN below three networks.
    """
    grouped = rows.groupby("dimension")[value]
    half = half_width(grouped.std(), grouped.count()).where(grouped.count() >= FEWEST_NETWORKS)
    return pd.DataFrame({"mean": grouped.mean(), "half": half})


def _beside_the_law(axis: Axes, cells: pd.DataFrame, measure: str) -> None:
    axis.set(xlabel=LABELS["root_dimension"], ylabel=LABELS[measure])
    if cells.empty:
        say_empty(axis, "no finished cell")
        return
    cells = cells.assign(value=scaled(cells[f"{measure}_median"], measure))
    colours = sequential(cells["epsilon"])
    # of the smallest strength first, on which the law is laid
    curves = {
        setting: mean_intervals(networks, "value")
        for setting, networks in cells.groupby(["epsilon", "method"])
    }
    for (epsilon, method), means in curves.items():
        label = (
            rf"{METHOD_LABELS[str(method)]}, $\epsilon$ = {epsilon:g}"
            if epsilon
            else "usual training"
        )
        axis.errorbar(
            np.sqrt(means.index.to_numpy(float)), means["mean"], means["half"], ls="-",
            marker=METHOD_MARKERS[str(method)], ms=5 if method == "none" else 3.5, lw=1.2,
            capsize=2.5, color=colours[epsilon], label=label,
        )  # fmt: skip
    first = next(iter(curves.values()))["mean"]
    right = np.sqrt(float(cells["dimension"].max()))
    law = float(first.iloc[0] / np.sqrt(first.index[0]) * right)
    axis.plot([0, right], [0, law], ":", color="0.4", label=r"$\propto \sqrt{d}$", zorder=0)
    tops = [(means["mean"] + means["half"].fillna(0)).max() for means in curves.values()]
    highest = max(law, *tops)
    top = min(1.08 * highest, 100.0) if measure in PERCENTAGES else 1.08 * highest
    axis.set(xlim=(0, None), ylim=(0, top))


def _last_epochs(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    return last_test_epochs(tables["epochs"]).merge(tables["cells"][[*IDENTITY, "dimension"]])


def _against_measure(axis: Axes, rows: pd.DataFrame, x: str, y: str) -> None:
    axis.set(xlabel=LABELS[x], ylabel=LABELS[y])
    if rows.empty:
        say_empty(axis, "no finished cell")
    colours = sequential(rows["size"])
    for size, of_size in rows.groupby("size"):
        curve = of_size.groupby("epsilon")[[x, y]].median()
        axis.plot(scaled(curve[x], x), scaled(curve[y], y), "o-", ms=3.5, lw=1, color=colours[size])


def _isotropic_lines(axis: Axes, rows: pd.DataFrame) -> None:
    """Add, per size, the slope of independent normal coordinates, sqrt(pi / 2 / d)."""
    colours = sequential(rows["size"])
    for size, of_size in rows.groupby("size"):
        right = float(of_size["grad_l1_untied"].max())
        slope = float(np.sqrt(np.pi / 2 / of_size["dimension"].iloc[0]))
        axis.plot([0, right], [0, right * slope], ":", lw=1, color=colours[size])


def _damage_against_prediction(axis: Axes, cells: pd.DataFrame) -> None:
    """Draw it by the gradient at the image, filled, and by that with ties broken, open."""
    axis.set(xlabel=LABELS["first_order_strength"], ylabel=LABELS["damage"])
    if cells.empty:
        say_empty(axis, "no finished cell")
        return
    untied = cells["grad_l1_untied_median"]
    colours = sequential(cells["size"])
    for norm, fill in ((untied, "none"), (cells["grad_l1_median"], "full")):
        for size, of_size in cells.groupby("size"):
            x = of_size["attack_threshold"] * norm[of_size.index]
            axis.plot(
                x, of_size["damage_median"], "o", ms=4, color=colours[size], fillstyle=fill,
                mew=1, label=f"{size}" if fill == "full" else None,
            )  # fmt: skip
    axis.plot([], [], "o", ms=4, color="0.5", fillstyle="none", mew=1, label="ties broken")
    right = float((cells["attack_threshold"] * untied).max())
    axis.plot([0, right], [0, right], "--", color="0.5", lw=1, zorder=0)
    axis.legend(title="size (pixels)", **LEGEND)


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


def _against_strength(axis: Axes, rows: pd.DataFrame, measure: str) -> None:
    axis.set_ylabel(LABELS[measure])
    positions = strength_positions(list(rows["epsilon"]))
    colours = sequential(rows["size"])
    for size, of_size in rows.groupby("size"):
        statistics = _statistics(of_size, "epsilon", measure)
        x = statistics.index.map(positions)
        _curve(axis, x, statistics, color=colours[size], label=f"{size}")
    strength_axis(axis, positions, strength_label(rows))


def _accuracy_against_vulnerability(axis: Axes, rows: pd.DataFrame, smoothing: float) -> None:
    """Draw one point per network and summarised epoch, and a smoothing spline per size."""
    axis.set_xlabel(LABELS["vulnerability"])
    axis.set_ylabel(LABELS["accuracy"])
    colours = sequential(rows["size"])
    for size, of_size in rows.groupby("size"):
        points = of_size[["vulnerability", "accuracy"]].dropna().sort_values("vulnerability") * 100
        x, y = points["vulnerability"].to_numpy(), points["accuracy"].to_numpy()
        colour = colours[size]
        axis.plot(x, y, ".", ms=4, color=colour, alpha=0.6)
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
