"""Appendix figures of Section 4.2 (ICML 2019): what happens over the epochs of training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from advdim.config.sweep import FigureSettings
from advdim.figures.style import (
    LABELS,
    LEGEND,
    Colour,
    legend_columns,
    note_missing,
    panels,
    say_empty,
    scaled,
    sequential,
    strength_label,
)
from advdim.sweep import IDENTITY
from advdim.tables.derived import early_and_last, train_test_gaps, with_accuracy_damage

CURVES = ("error", "loss", "grad_l1_untied", "vulnerability", "damage")
SPLITS = {"test": "-", "train": "--"}
COLUMNS_AT_MOST = 3


def training_curves(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw Figure 8: measures against the epoch, a column per strength, a curve per size.

    Solid: test; dashed: train. Curves are medians over seeds; at most three strengths are shown,
    the smallest, the middle and the largest.
    """
    rows = _epochs(tables)
    strengths = _spread(sorted(rows["epsilon"].unique()), COLUMNS_AT_MOST) or [0.0]
    figure, axes = panels(len(CURVES), len(strengths), settings)
    grid = np.array(axes).reshape(len(CURVES), -1)
    colours = sequential(rows["size"])
    for line, measure in zip(grid, CURVES, strict=True):
        for axis, epsilon in zip(line, strengths, strict=True):
            of_strength = rows[rows["epsilon"] == epsilon]
            for split, style in SPLITS.items():
                curves = of_strength[of_strength["split"] == split]
                _over_epochs(axis, curves, measure, colours, style)
        top = max(axis.get_ylim()[1] for axis in line)
        for axis in line:
            axis.set_ylim(0, top)
    label = strength_label(tables["cells"])
    for axis, epsilon in zip(grid[0], strengths, strict=True):
        axis.set_title(f"{label} = {epsilon:g}" if epsilon else "usual training")
    _size_legend(figure, colours, SPLITS)
    note_missing(figure, tables["cells"])
    return figure


def loss_and_accuracy_damage(
    tables: Mapping[str, pd.DataFrame], settings: FigureSettings
) -> Figure:
    """Draw Figure 9: the damage to the loss and the damage to the accuracy under one attack.

    The damage to the accuracy is accuracy less adversarial accuracy. The last two panels have a
    point per network and epoch; the fourth sets what the authors measure as vulnerability, under an
    attack on the label's loss, against that of Definition 1.
    """
    rows = _epochs(tables)
    rows = rows[rows["split"] == "test"]
    figure, axes = panels(2, 2, settings)
    colours = sequential(rows["size"])
    plain = rows[rows["epsilon"] == rows["epsilon"].min()]
    _over_epochs(axes[0], plain, "damage", colours)
    _over_epochs(axes[1], plain, "accuracy_damage", colours)
    _diagonal(axes[3], scaled(rows["vulnerability"], "vulnerability"))
    pairs = (("damage", "accuracy_damage"), ("vulnerability", "vulnerability_of_label"))
    for axis, (x, y) in zip(axes[2:], pairs, strict=True):
        for size, of_size in rows.groupby("size"):
            axis.plot(
                scaled(of_size[x], x), scaled(of_size[y], y), ".",
                ms=4, alpha=0.5, color=colours[size],
            )  # fmt: skip
        axis.set(xlabel=LABELS[x], ylabel=LABELS[y])
    for axis in axes:
        axis.set_ylim(bottom=0)
    _size_legend(figure, colours, {})
    note_missing(figure, tables["cells"])
    return figure


def early_stopping(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw Figure 10: measures at the epoch of lowest test loss against the last, per network.

    Below the diagonal of the first two panels, stopping early defends; filled: usual training.
    """
    stopped = early_and_last(_epochs(tables))
    figure, axes = panels(1, 3, settings)
    colours = sequential(stopped["size"] if len(stopped) else [])
    for axis, measure in zip(axes, ("vulnerability", "damage", "accuracy"), strict=True):
        both = pd.concat([stopped[f"{measure}_last"], stopped[f"{measure}_best"]])
        _diagonal(axis, scaled(both, measure))
        for row in stopped.itertuples():
            last, best = (
                scaled(pd.Series([getattr(row, f"{measure}_{when}")]), measure)
                for when in ("last", "best")
            )
            colour = colours[row.size]
            axis.plot(
                last, best, "o", ms=5, color=colour, alpha=0.8,
                fillstyle="full" if row.method == "none" else "none", mew=1,
            )  # fmt: skip
        axis.set(xlabel=f"{LABELS[measure]}, last epoch", ylabel="the same, lowest test loss")
    _size_legend(figure, colours, {})
    note_missing(figure, tables["cells"])
    return figure


def train_test_gradients(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw Figure 12: gradient norms of usual training on test against train images.

    Over the epochs, both and their difference; then the difference of the last epochs against
    sqrt(d), with the line through the smallest dimension that sqrt(d) predicts.
    """
    rows = _epochs(tables)
    rows = rows[rows["method"] == "none"]
    figure, axes = panels(1, 3, settings)
    colours = sequential(rows["size"])
    for split, style in SPLITS.items():
        curves = rows[rows["split"] == split]
        _over_epochs(axes[0], curves, "grad_l1_untied", colours, style)
    gaps = train_test_gaps(rows)
    _over_epochs(axes[1], gaps, "gap", colours)
    axes[1].axhline(0, color="0.7", lw=0.8)
    _gap_against_dimension(axes[2], gaps[gaps["summarised"]])
    _size_legend(figure, colours, SPLITS)
    note_missing(figure, tables["cells"])
    return figure


def _epochs(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the rows from epoch 0: at initialisation, gradients are larger by orders."""
    rows = tables["epochs"].merge(tables["cells"][[*IDENTITY, "dimension"]])
    rows = rows[rows["epoch"] >= 0]
    return with_accuracy_damage(rows).assign(error=1 - rows["accuracy"])


def _spread(values: Sequence[float], count: int) -> list[float]:
    """Return at most ``count`` of some ordered values: the ends and what lies between them."""
    chosen = np.linspace(0, len(values) - 1, min(count, len(values))).round().astype(int)
    return [values[k] for k in chosen]


def _over_epochs(
    axis: Axes,
    rows: pd.DataFrame,
    measure: str,
    colours: Mapping[Any, Colour],
    style: str = "-",
) -> None:
    axis.set_xlabel("epoch")
    axis.set_ylabel(LABELS[measure])
    if rows.empty:
        say_empty(axis, "no epoch of training")
    for size, of_size in rows.groupby("size"):
        median = scaled(of_size[measure], measure).groupby(of_size["epoch"]).median()
        # one epoch is no line
        marker = "." if len(median) == 1 else ""
        axis.plot(median.index, median, style, marker=marker, lw=1.3, color=colours[size])


def _diagonal(axis: Axes, values: pd.Series) -> None:
    if values.empty:
        say_empty(axis, "no epoch of training")
        return
    ends = [values.min(), values.max()]
    axis.plot(ends, ends, "--", color="0.5", lw=1, zorder=0)


def _gap_against_dimension(axis: Axes, gaps: pd.DataFrame) -> None:
    axis.set(xlabel=LABELS["root_dimension"], ylabel=LABELS["gap"])
    if gaps.empty:
        say_empty(axis, "no epoch of training")
        return
    grouped = gaps.groupby("dimension")["gap"]
    median, x = grouped.median(), np.sqrt(grouped.median().index.to_numpy(float))
    spread = np.array([median - grouped.quantile(0.1), grouped.quantile(0.9) - median])
    axis.errorbar(x, median, spread, fmt="o--", ms=4, capsize=2, color="C0")
    axis.plot(x, median.iloc[0] * x / x[0], ":", color="0.5", label=r"$\propto \sqrt{d}$")
    axis.legend(**LEGEND)


def _size_legend(figure: Figure, colours: Mapping[Any, Colour], styles: Mapping[str, str]) -> None:
    line: Callable[..., list] = figure.axes[0].plot
    handles = [line([], [], "-", color=c, label=f"{size} px")[0] for size, c in colours.items()]
    handles += [line([], [], s, color="0.3", label=name)[0] for name, s in styles.items()]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=legend_columns(figure), **LEGEND
    )
