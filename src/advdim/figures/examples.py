"""Clean and adversarial images side by side, with the perturbation amplified."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from advdim.config.sweep import FigureSettings
from advdim.figures.style import ATTACK_LABELS, image_grid, note_missing, panels, say_empty
from advdim.sweep import IDENTITY


def adversarial_examples(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw, per size and test image: clean, smallest adversarial found, perturbation amplified.

    Each perturbation is scaled to fill the grey range; its factor is written below it. Where no
    adversarial was found, the place of the perturbation says so.
    """
    rows = tables["examples"]
    if rows.empty:
        figure, (axis,) = panels(1, 1, settings)
        axis.set(xlabel="image", ylabel="size", xticks=[], yticks=[])
        say_empty(axis, "no finished cell")
        note_missing(figure, tables["cells"])
        return figure
    # Another experiment may have chosen others of the same cells: the first of each size is shown.
    kinds = rows.drop_duplicates("size")
    rows = rows.merge(kinds[IDENTITY])
    samples = sorted(rows["sample"].unique())
    figure, axes = image_grid(len(kinds), 3 * len(samples), settings)
    for line, (_, cell) in zip(axes, kinds.sort_values("size").iterrows(), strict=True):
        same = (rows[IDENTITY] == cell[IDENTITY]).all(axis=1)
        for k, (_, row) in enumerate(rows[same].sort_values("sample").iterrows()):
            _triple(line[3 * k : 3 * k + 3], row, settings.font_size - 2.5)
        line[0].set_ylabel(f"{cell['size']} pixels", fontsize=settings.font_size)
    for k in range(len(samples)):
        for axis, title in zip(axes[0][3 * k :], ("clean", "adversarial", "change"), strict=False):
            axis.set_title(title, fontsize=settings.font_size - 1)
    figure.suptitle(
        f"smallest perturbation found by {ATTACK_LABELS[str(rows['attack'].iloc[0])]}",
        fontsize=settings.font_size + 1,
    )
    note_missing(figure, tables["cells"])
    return figure


def _triple(axes: np.ndarray, row: pd.Series, font_size: float) -> None:
    clean, perturbed = _image(row, "clean"), _image(row, "perturbed")
    change = perturbed - clean
    largest = float(np.abs(change).max())
    _show(axes[0], clean, f"{row['prediction']} (true: {row['label']})", font_size)
    if not row["found"]:
        _show(axes[1], clean, "none found", font_size)
        _show(axes[2], np.full_like(clean, 0.5), "", font_size)
        return
    _show(axes[1], perturbed, str(row["adversarial_prediction"]), font_size)
    factor = 0.5 / largest
    _show(
        axes[2],
        0.5 + factor * change,
        f"x {factor:.3g}; max. {100 * row['norm_linf']:.2g} %",
        font_size,
    )


def _image(row: pd.Series, name: str) -> np.ndarray:
    """Return an image as (size, size, channels), in units of the pixel range."""
    values = np.asarray(row[name], dtype=np.float32)
    return values.reshape(row["channels"], row["size"], row["size"]).transpose(1, 2, 0)


def _show(axis: Axes, image: np.ndarray, caption: str, font_size: float) -> None:
    shown = np.clip(image, 0, 1)
    grey = shown.shape[2] == 1
    axis.imshow(shown[:, :, 0] if grey else shown, cmap="gray", vmin=0, vmax=1)
    axis.set_xlabel(caption, fontsize=font_size)
