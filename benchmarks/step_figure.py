"""The figure of timed steps, for ``training_step.py`` and ``gpu.py``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from timed_step import VARIANTS

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

Rows = Sequence[dict[str, Any]]
# What a legend calls variants whose own name does not tell.
NAMES = {"plain": "plain code", "computed": "float32, not recorded"}
LABELS = {
    "times_the_plain_step": "times as fast as the plain step",
    "nanoseconds_per_pixel": "nanoseconds per pixel",
    "images_per_second": "images per second",
}


def draw(rows: Rows, path: Path, measures: Sequence[str], together: Rows = ()) -> None:
    """Draw measures of steps against the size, a column per method; then cells at once."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    columns = len(methods) + bool(together)
    figure, axes = plt.subplots(
        len(measures), columns,
        squeeze=False, layout="constrained", figsize=(2.6 * columns + 1, 2.5 * len(measures) + 0.9),
    )  # fmt: skip
    for line, measure in zip(axes, measures, strict=True):
        for axis, method in zip(line, methods, strict=False):
            axis.sharey(line[0])
            draw_steps(axis, [row for row in rows if row["method"] == method], measure)
        line[0].set_ylabel(LABELS[measure])
    for axis, method in zip(axes[0], methods, strict=False):
        axis.set(title=method)
    if together:
        draw_together(axes[0][-1], together)
    lines = {line.get_label(): line for axis in axes[0][: len(methods)] for line in axis.lines}
    figure.legend(handles=list(lines.values()), loc="outside lower center", ncols=4)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_steps(axis: Axes, rows: Rows, measure: str) -> None:
    """Draw one measure of a method's steps against the size, a line per variant."""
    for number, variant in enumerate(VARIANTS):
        points = [
            (row["size"], row[measure])
            for row in rows
            if row["variant"] == variant and measure in row
        ]
        if points:
            name = NAMES.get(variant, variant)
            axis.plot(*zip(*points, strict=True), marker="o", label=name, color=f"C{number}")
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_formatter("{x:.0f}")
    axis.set_xlabel("size (pixels)")
    if measure == "times_the_plain_step":
        axis.set_ylim(bottom=0)
        return
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter("")


def draw_together(axis: Axes, rows: Rows) -> None:
    """Draw the images per second of cells at once against their number, in no variant's colour."""
    for service, label, color in (
        (False, "processes", "0.6"),
        (True, "with Multi-Process Service", "black"),
    ):
        points = [
            (row["cells"], row["images_per_second"]) for row in rows if row["service"] == service
        ]
        if points:
            axis.plot(*zip(*points, strict=True), marker="o", label=label, color=color)
    axis.set(title="cells at once", xlabel="cells on the device", ylabel="images per second")
    axis.set_xticks(sorted({row["cells"] for row in rows}))
    axis.set_ylim(bottom=0)
    axis.legend(fontsize="small")
