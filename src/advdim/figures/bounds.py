"""Lower bounds against attacks: NIPS 2017's figures, its counter-example, and the dimension."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from advdim.config.sweep import FigureSettings
from advdim.figures.style import (
    LABELS,
    LEGEND,
    Colour,
    logarithmic_axis,
    note_missing,
    panels,
    quantity_colours,
    say_empty,
    sequential,
    strength_label,
)
from advdim.tables.bounds_beside_attacks import GREY_LEVELS, compared, decades

# One bound at every size: the largest may be of another kind at each.
COMPARED = "operator_norms"
QUANTITIES = {
    "fgsm_l2": "FGSM, bisected",
    "best_attack_l2": "best attack",
    "sound": "largest sound bound",
    "published": "published bound",
}
COLOURS = quantity_colours(QUANTITIES)


def bound_histograms(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw Figures 2, 3 and 4 of NIPS 2017, and the same for the best attack and sound bounds.

    Norms are in the paper's units: grey levels of 255, divided by the dimension. All test images of
    all networks of the experiment.
    """
    rows = tables["bounds"]
    figure, axes = panels(1, 3, settings)
    scale = rows["pixel_scale"] * GREY_LEVELS / rows["dimension"]
    unit = r"$\ell_2$ norm (grey levels) $/\,d$"
    for axis, names, title in (
        (axes[0], ("fgsm_l2", "best_attack_l2"), "adversarial perturbations"),
        (axes[1], ("published", "sound"), "lower bounds"),
    ):
        values = {QUANTITIES[name]: (rows[name] * scale, COLOURS[name]) for name in names}
        _histograms(axis, values, logarithmic=True)
        logarithmic_axis(axis.xaxis)
        axis.set_xlabel(unit)
        axis.set_title(title, fontsize="medium")
    ratios = {
        f"{QUANTITIES[attack]} / {QUANTITIES[bound]}": (decades(rows[attack], rows[bound]), colour)
        for attack, bound, colour in (
            ("fgsm_l2", "published", COLOURS["published"]),
            ("fgsm_l2", "sound", COLOURS["fgsm_l2"]),
            ("best_attack_l2", "sound", COLOURS["sound"]),
        )
    }
    _histograms(axes[2], ratios, logarithmic=False)
    axes[2].set_xlabel(r"$\log_{10}$ of the ratio")
    axes[2].set_title("attack over bound", fontsize="medium")
    axes[2].axvline(0, ls=":", color="0.4", lw=1)
    note_missing(figure, tables["cells"])
    return figure


def counter_example(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw every image's bounds against the smallest verified adversarial's norm.

    A point above the diagonal is a bound that does not hold: Theorem 4.2 where patches overlap.
    """
    rows = tables["bounds"].dropna(subset=["best_attack_l2"])
    figure, axes = panels(1, 2, settings)
    attack = rows["best_attack_l2"] * rows["pixel_scale"]
    axes[0].set_xlabel(r"smallest verified adversarial, $\ell_2$ norm (pixels in [0, 1])")
    axes[0].set_ylabel(r"lower bound, $\ell_2$ norm")
    if rows.empty:
        say_empty(axes[0], "no attacked cell")
    else:
        for name in ("published", "sound"):
            held = np.isfinite(rows[name]) & (rows[name] > 0)
            bound = (rows[name] * rows["pixel_scale"])[held]
            axes[0].plot(
                attack[held], bound, ".", ms=2, color=COLOURS[name], alpha=0.5,
                label=QUANTITIES[name], rasterized=True,
            )  # fmt: skip
        ends = [attack[attack > 0].min(), attack.max()]
        axes[0].plot(ends, ends, "-", color="0.2", lw=1, label="equal: above, it does not hold")
        logarithmic_axis(axes[0].xaxis)
        logarithmic_axis(axes[0].yaxis)
        axes[0].legend(markerscale=4, loc="upper center", bbox_to_anchor=(0.5, -0.27), **LEGEND)
    ratios = {
        QUANTITIES[name]: (-decades(rows["best_attack_l2"], rows[name]), COLOURS[name])
        for name in ("published", "sound")
    }
    _histograms(axes[1], ratios, logarithmic=False)
    axes[1].axvline(0, color="0.2", lw=1)
    axes[1].set_xlabel(r"$\log_{10}$ of bound over adversarial")
    violated = int(rows["published_violated"].sum())
    axes[1].set_title(f"published violated: {violated} of {len(rows)}", fontsize="medium")
    note_missing(figure, tables["cells"])
    return figure


def certified_dimension(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw the certified radius and the smallest adversarial against the input dimension.

    In the units of Eq. 3 (ICML 2019), ``epsilon_inf = norm_2 / sqrt(d)``, the law asks for a fall
    like ``1 / sqrt(d)``: dotted. Medians over images and seeds; one bound by name at every size.
    """
    rows = tables["bounds"]
    unit = 1 / np.sqrt(rows["dimension"])
    rows = rows.assign(certified=rows[COMPARED] * unit, adversarial=rows["best_attack_l2"] * unit)
    rows = rows.assign(gap=decades(rows["adversarial"], rows["certified"]))
    figure, axes = panels(1, 3, settings)
    for axis, column, title in (
        (axes[0], "certified", f"certified ({COMPARED.replace('_', ' ')})"),
        (axes[1], "adversarial", "smallest adversarial found"),
    ):
        medians = _by_dimension(axis, rows, column)
        axis.set_ylabel(r"$\ell_2$ norm $/\sqrt{d}$ (normalised)")
        axis.set_title(title, fontsize="medium")
        if len(medians):
            x = np.sqrt(np.array([rows["dimension"].min(), rows["dimension"].max()], float))
            axis.plot(x, medians.max() * x[0] / x, ":", color="0.4", label=r"$1/\sqrt{d}$")
            axis.set_yscale("log")
            axis.yaxis.set_minor_formatter(NullFormatter())
    _by_dimension(axes[2], rows, "gap")
    axes[2].set_ylabel("decades")
    axes[2].set_title("adversarial over certified", fontsize="medium")
    axes[2].set_ylim(bottom=0)
    ticks = np.sqrt(sorted(rows["dimension"].unique()))
    for axis in axes if len(rows) else ():
        axis.set_xscale("log")
        axis.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks], minor=False)
        axis.set_xticks([], minor=True)
    if len(rows):
        handles, labels = axes[0].get_legend_handles_labels()
        title = f"training: {strength_label(tables['cells'])}"
        figure.legend(handles, labels, title=title, loc="outside lower center", ncols=6, **LEGEND)
    note_missing(figure, tables["cells"])
    return figure


def certified_accuracy(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw the accuracy that is certain and the one that attacks leave, against the threshold.

    The truth lies in the band between. Thresholds are Eq. 3's (ICML 2019): what is within an l-inf
    norm epsilon is within the l2 norm epsilon sqrt(d), of which bounds and attacks speak. The
    weakest and the strongest training, a band per size, all their networks together.
    """
    rows = tables["bounds"]
    strengths = sorted(rows["epsilon"].unique())
    ends = list(dict.fromkeys([*strengths[:1], *strengths[-1:]])) or [0.0]
    figure, axes = panels(1, len(ends), settings)
    colours = sequential(rows["size"])
    unit = 1 / np.sqrt(rows["dimension"].astype(float))
    rows = rows.assign(certified=rows["sound"] * unit, adversarial=rows["best_attack_l2"] * unit)
    for axis, epsilon in zip(axes, ends, strict=True):
        axis.set_xlabel(r"threshold $\epsilon_\infty$ (normalised), $\ell_2$ norm $/\sqrt{d}$")
        axis.set_ylabel("accuracy (%)")
        axis.set_title(rf"training: $\epsilon$ = {epsilon:g}", fontsize="medium")
        shown = rows[rows["epsilon"] == epsilon]
        limits = pd.concat([shown["certified"], shown["adversarial"]])
        limits = limits[np.isfinite(limits) & (limits > 0)]
        if limits.empty:
            say_empty(axis, "no finished cell")
            continue
        x = np.geomspace(limits.min() / 1.5, limits.max() * 1.5, 200)
        for size, images in shown.groupby("size"):
            low, high = _accuracies(compared(images), x)
            label = f"{size} pixels"
            axis.fill_between(x, low, high, color=colours[size], alpha=0.2, lw=0)
            axis.plot(x, low, "-", color=colours[size], lw=1.2, label=f"{label}, certified")
            axis.plot(x, high, "--", color=colours[size], lw=1.2, label=f"{label}, attacked")
        axis.set(xscale="log", ylim=(0, None))
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.27), ncols=2, **LEGEND)
    note_missing(figure, tables["cells"])
    return figure


def _accuracies(images: pd.DataFrame, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, in percent per threshold, the share of right images that are certified or resist.

    Where none was attacked, none is known to resist: NaN.
    """
    right = (images["label"] == images["prediction"]).to_numpy()
    certified, found = (images[name].to_numpy(float) for name in ("certified", "adversarial"))
    low = [(right & (certified > threshold)).mean() for threshold in thresholds]
    high = [(right & ~(found <= threshold)).mean() for threshold in thresholds]
    known = 1.0 if images["attacked"].any() else math.nan
    return 100 * np.array(low), 100 * known * np.array(high)


def _by_dimension(axis: Axes, rows: pd.DataFrame, column: str) -> pd.Series:
    """Draw medians per size and training strength; return those of the smallest size."""
    axis.set_xlabel(LABELS["root_dimension"])
    rows = rows[np.isfinite(rows[column].astype(float)) & (rows[column] > 0)]
    if rows.empty:
        say_empty(axis, "no finished cell")
        return pd.Series(dtype=float)
    colours = sequential(rows["epsilon"])
    for epsilon, group in rows.groupby("epsilon"):
        of_size = group.groupby("dimension")[column]
        median = of_size.median()
        x = np.sqrt(median.index.to_numpy(float))
        errors = np.array([median - of_size.quantile(0.1), of_size.quantile(0.9) - median])
        axis.errorbar(
            x, median, errors, ls="--", marker="o", ms=3.5, lw=1.2, capsize=2,
            color=colours[epsilon], label=f"{epsilon:g}",
        )  # fmt: skip
    smallest = rows[rows["dimension"] == rows["dimension"].min()]
    return smallest.groupby("epsilon")[column].median()


def _histograms(
    axis: Axes, values: Mapping[str, tuple[pd.Series, Colour]], *, logarithmic: bool
) -> None:
    """Draw histograms of several quantities on common bins."""
    axis.set_ylabel("images")
    usable = {
        label: (series[np.isfinite(series) & ((series > 0) | (not logarithmic))], colour)
        for label, (series, colour) in values.items()
    }
    usable = {label: entry for label, entry in usable.items() if len(entry[0])}
    if not usable:
        say_empty(axis, "nothing found")
        return
    pooled = np.concatenate([series.to_numpy(float) for series, _ in usable.values()])
    low, high = float(pooled.min()), float(pooled.max())
    if low == high:
        low, high = low * 0.9 - 1e-9, high * 1.1 + 1e-9
    bins = np.geomspace(low, high, 61) if logarithmic else np.linspace(low, high, 61)
    for label, (series, colour) in usable.items():
        counts, _ = np.histogram(series, bins)
        axis.stairs(counts, bins, fill=True, color=colour, alpha=0.35)
        middle = float(series.median())
        axis.axvline(middle, color=colour, lw=1.2, label=f"{label}, median {middle:.2g}")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.27), **LEGEND)
