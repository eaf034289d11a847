"""Gradient norms before any training: Theorems 4 and 5 (ICML 2019), and beyond them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from advdim.config.sweep import FigureSettings
from advdim.figures.style import LEGEND, distinct, panels, say_empty
from advdim.tables.exponents import PREDICTED, exponent_over_seeds, predicted_exponent

SHOWN = {
    "loss_l1": r"$\mathbb{E}\,\|\partial_x L\|_1$",
    "loss_l2": r"$\mathbb{E}\,\|\partial_x L\|_2$",
    "loss_mean": r"mean coordinate of $|\partial_x L|$",
    "logit_l1": r"$\mathbb{E}\,\|\partial_x f_k\|_1$",
    "logit_l2": r"$\mathbb{E}\,\|\partial_x f_k\|_2$",
    "logit_mean": r"mean coordinate of $|\partial_x f_k|$",
}
assert set(SHOWN) == set(PREDICTED)
# Inches that a network's name takes.
LINE = 0.17


def initialisation_norms(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw each norm, ties broken, against the dimension, and the predicted slope in grey.

    Points are geometric means over seeds, relative to the smallest dimension.
    """
    rows = tables["initialisation"]
    figure, axes = panels(2, 3, settings)
    colours = distinct(rows["network"].unique())
    for axis, (statistic, label) in zip(axes, SHOWN.items(), strict=True):
        chosen = rows[(rows["statistic"] == f"{statistic}_untied") & (rows["value"] > 0)]
        if chosen.empty:
            say_empty(axis, "no gradient, or zero only")
        for network, of_network in chosen.groupby("network", sort=False):
            means = np.exp(np.log(of_network["value"]).groupby(of_network["dimension"]).mean())
            relative = means / means.iloc[0]
            axis.plot(relative.index, relative, "o-", ms=3.5, color=colours[network], label=network)
        _predicted_slope(axis, chosen["dimension"], PREDICTED[statistic])
        axis.set(xscale="log", yscale="log", xlabel="$d$", ylabel=f"{label}, relative")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, **LEGEND)
    return figure


def _predicted_slope(axis: Axes, dimensions: pd.Series, predicted: float) -> None:
    if dimensions.empty:
        return
    ends = np.array([dimensions.min(), dimensions.max()], float)
    axis.plot(
        ends, (ends / ends[0]) ** predicted, "--", color="0.5", zorder=0,
        label="predicted slope",
    )  # fmt: skip


def initialisation_exponents(
    tables: Mapping[str, pd.DataFrame], settings: FigureSettings
) -> Figure:
    """Draw, per network, the exponent of each norm with its 95 % interval over seeds.

    Filled: ties broken by noise; open: at the image itself. The line is the theorems' prediction;
    a grey bar is the prediction with the network's average pools (Appendix B), where they differ.
    """
    rows = tables["initialisation"]
    figure, axes = panels(2, 3, settings)
    networks = list(dict.fromkeys(rows["network"]))
    figure.set_figheight(max(figure.get_figheight(), 2 * (1 + LINE * len(networks))))
    for number, (axis, (statistic, label)) in enumerate(zip(axes, SHOWN.items(), strict=True)):
        for place, network in enumerate(networks):
            of_network = rows[rows["network"] == network]
            for suffix, filled, shift in (("_untied", True, -0.13), ("", False, 0.13)):
                fit = exponent_over_seeds(of_network[of_network["statistic"] == statistic + suffix])
                axis.errorbar(
                    fit.estimate, place + shift,
                    xerr=np.nan_to_num([[fit.estimate - fit.low], [fit.high - fit.estimate]]),
                    fmt="o", ms=4, capsize=2, color="C0",
                    mfc="C0" if filled else "white",
                    label=("ties broken" if filled else "at the image") if not place else None,
                )  # fmt: skip
            expected = predicted_exponent(of_network, PREDICTED[statistic])
            if abs(expected - PREDICTED[statistic]) > 1e-6:
                ends = [place - 0.4, place + 0.4]
                axis.plot(
                    [expected] * 2, ends, "-", color="0.6", lw=3, zorder=0, label="Appendix B"
                )
        if len(set(rows["dimension"])) < 2:
            say_empty(axis, "an exponent takes two sizes")
        axis.axvline(PREDICTED[statistic], ls="--", color="0.5", zorder=0, label="theorem")
        axis.set_xlabel(f"exponent of {label}")
        axis.set_ylabel("network" if number % 3 == 0 else " ")
        axis.set_yticks(range(len(networks)), networks if number % 3 == 0 else [])
        axis.set_ylim(len(networks) - 0.5, -0.5)
    handles, labels = axes[0].get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    figure.legend(once.values(), once.keys(), loc="outside lower center", ncols=4, **LEGEND)
    return figure


def initialisation_dampening(
    tables: Mapping[str, pd.DataFrame], settings: FigureSettings
) -> Figure:
    """Draw the l2-norm of a logit's gradient against the predicted dampening of average pools.

    With He initialisation and without batch norm the norm is 1 at every size (Theorem 4), and
    1/sqrt(a) of that per average over a nodes (Appendix B): the diagonal. A point is a network at a
    size, its mean over seeds; beside it the ratio to the prediction against the dimension.
    """
    rows = tables["initialisation"]
    rows = rows[rows["statistic"] == "logit_l2_untied"].dropna(subset=["dampening"])
    figure, axes = panels(1, 2, settings)
    colours = distinct(rows["network"].unique())
    markers = itertools.cycle("osD^vPX*<>")
    for network, of_network in rows.groupby("network", sort=False):
        means = of_network.groupby("dimension")[["dampening", "value"]].mean()
        colour, marker = colours[network], next(markers)
        ratio = means["value"] / means["dampening"]
        axes[0].plot(means["dampening"], means["value"], marker, ms=4, color=colour)
        axes[1].plot(means.index, ratio, f"{marker}-", ms=4, color=colour, label=network)
    ends = [rows["dampening"].min(), rows["dampening"].max()] if len(rows) else [1, 1]
    axes[0].plot(ends, ends, "--", color="0.5", zorder=0)
    axes[1].axhline(1, ls="--", color="0.5", zorder=0)
    label = SHOWN["logit_l2"]
    axes[0].set(xlabel="predicted dampening", ylabel=label)
    axes[1].set(xlabel="$d$", ylabel=f"{label}, over the prediction")
    for axis in axes:
        axis.set(xscale="log", yscale="log")
        axis.xaxis.set_minor_formatter(NullFormatter())
    handles, labels = axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", **LEGEND)
    return figure
