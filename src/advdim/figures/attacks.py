"""Appendix Figure 4 of ICML 2019 and beyond: does the law depend on the attack or its threshold?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from advdim.config.sweep import FigureSettings
from advdim.figures.style import (
    ATTACK_COLOURS,
    ATTACK_LABELS,
    ATTACK_MARKERS,
    LABELS,
    LEGEND,
    logarithmic_axis,
    note_missing,
    panels,
    say_empty,
    scaled,
    sequential,
)
from advdim.sweep import IDENTITY
from advdim.tables.attack_summaries import RUNGS

REFERENCE = "pgd_linf"
ASCENTS = ("fgsm", "iterative_linf", "pgd_linf", "gradient_l2", "iterative_l2", "pgd_l2")


def attack_agreement(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw Figure 4: vulnerability against the gradient norm, and attack against attack.

    A point is a network under an attack at the reported threshold; l2 attacks have that of Eq. 3.
    """
    cells, rows = tables["cells"], _attacked(tables)
    rows = rows[rows["reported"]]
    figure, axes = panels(1, 3, settings)
    for axis, norm, sign in ((axes[0], "linf", r"\infty"), (axes[1], "l2", "2")):
        axis.set_title(rf"$\ell_{sign}$ attacks")
        axis.set_xlabel(LABELS["grad_l1"])
        axis.set_ylabel(LABELS["vulnerability"])
        of_norm = rows[rows["norm"] == norm].sort_values("grad_l1_median")
        _scatter(axis, of_norm, of_norm["grad_l1_median"])
    reference = _reference(rows)
    keys = IDENTITY
    others = rows[rows["attack"] != reference].merge(
        rows.loc[rows["attack"] == reference, [*keys, "vulnerability"]],
        on=keys,
        suffixes=("", "_reference"),
    )
    name = ATTACK_LABELS[reference]
    axes[2].set_title("every attack")
    axes[2].set_xlabel(f"{LABELS['vulnerability']}\nunder {name}")
    axes[2].set_ylabel(LABELS["vulnerability"])
    _scatter(
        axes[2], others, scaled(others["vulnerability_reference"], "vulnerability"), line=False
    )
    top = 100 * max([0.05, *rows["vulnerability"]])
    axes[2].plot([0, top], [0, top], ":", color="0.4", lw=1)
    for axis in axes:
        axis.set_ylim(0, 1.08 * top)
    axes[2].set_xlim(0, 1.08 * top)
    _attack_legend(figure, rows)
    note_missing(figure, cells)
    return figure


def attack_thresholds(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw vulnerability against the threshold, per attack and size, and once more rescaled.

    Below, the threshold is multiplied by the network's gradient norm: where Lemma 2 holds, networks
    of all sizes lie on one curve. Of several training strengths, the weakest is solid, the
    strongest dashed; lines are medians over networks.
    """
    rows = _attacked(tables)
    attacks = ATTACK_COLOURS.present(rows["attack"])
    names, colours = _names(rows, "attack"), sequential(rows["size"])
    figure, axes = panels(2, max(len(attacks), 1), settings)
    for top, below, attack in _columns(axes, attacks):
        top.set_title(names.get(attack, ""))
        for axis, label in ((top, "threshold"), (below, "first_order_strength")):
            axis.set_xlabel(LABELS[label])
            axis.set_ylabel(LABELS["vulnerability"])
        of_attack = rows[rows["attack"] == attack]
        if of_attack.empty:
            say_empty(top, "no finished cell")
            say_empty(below, "no finished cell")
            continue
        for label, style, curve in _size_curves(of_attack, colours):
            y = scaled(curve["vulnerability"], "vulnerability")
            top.plot(curve.index, y, **style, label=label)
            below.plot(curve["strength"], y, **style)
        for axis in (top, below):
            logarithmic_axis(axis.xaxis)
            axis.set_ylim(-3, 103)
    _share_legend(figure, axes)
    note_missing(figure, tables["cells"])
    return figure


def first_order_damage(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw the measured damage over its first-order prediction: 1 where Lemma 2 holds.

    Only attacks that ascend the loss count. Below, damage against prediction; medians over
    networks, lines as in ``attack_thresholds``.
    """
    rows = _attacked(tables)
    rows = rows[rows["first_order"] > 0]
    attacks, colours = _present(rows, ASCENTS), sequential(rows["size"])
    figure, axes = panels(2, max(len(attacks), 1), settings)
    for top, below, attack in _columns(axes, attacks):
        top.set_title(ATTACK_LABELS[attack])
        top.set_xlabel(LABELS["threshold"])
        top.set_ylabel("damage / first-order prediction")
        below.set_xlabel(LABELS["first_order"])
        below.set_ylabel("measured damage (nats)")
        of_attack = rows[rows["attack"] == attack]
        if of_attack.empty:
            say_empty(top, "no finished cell")
            say_empty(below, "no finished cell")
            continue
        top.axhline(1, ls=":", color="0.4", lw=1)
        for label, style, curve in _size_curves(of_attack, colours):
            top.plot(curve.index, curve["damage"] / curve["first_order"], **style, label=label)
            below.plot(curve["first_order"], curve["damage"], **style)
        ends = [of_attack["first_order"].min(), of_attack["first_order"].max()]
        below.plot(ends, ends, ":", color="0.4", lw=1)
        for axis in (top.xaxis, below.xaxis, below.yaxis):
            logarithmic_axis(axis)
        top.set_ylim(bottom=0)
    _share_legend(figure, axes)
    note_missing(figure, tables["cells"])
    return figure


def attack_ladder(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> Figure:
    """Draw what grows with sqrt(d): the gradient norm, and attacks of rising strength.

    Above, gradient norm and vulnerability; below, all rungs relative to the smallest size at the
    weakest training strength, then one over the median smallest perturbation, which unlike the
    vulnerability does not end at 100 %.
    """
    rows = tables["ladder"].dropna(subset=["value"])
    rungs = [rung for rung in RUNGS if rung in set(rows["rung"])] or ["pgd_linf"]
    names = _names(rows, "rung")
    figure, axes = panels(2, 1 + len(rungs), settings)
    above, below = axes[: 1 + len(rungs)], axes[1 + len(rungs) :]
    _ladder_panel(above[0], rows, "gradient", "grad_l1_untied")
    for k, rung in enumerate(rungs, start=1):
        for axis, measure in ((above[k], "vulnerability"), (below[k], "inverse_norm")):
            _ladder_panel(axis, rows, rung, measure)
            axis.set_title(names.get(rung, ATTACK_LABELS[rung]))
            axis.set_xlim(above[0].get_xlim())
    _growth_panel(below[0], rows, rungs)
    if len(rows):
        above[0].legend(title=r"training $\epsilon$", **LEGEND)
    note_missing(figure, tables["cells"])
    return figure


def _ladder_panel(axis: Axes, rows: pd.DataFrame, rung: str, measure: str) -> None:
    of_rung = rows[rows["rung"] == rung]
    rows = of_rung[of_rung["measure"] == measure]
    axis.set_xlabel(LABELS["root_dimension"])
    axis.set_ylabel(LABELS[measure])
    if rows.empty:
        say_empty(
            axis, "nothing found for half\nof the images" if len(of_rung) else "no finished cell"
        )
        return
    colours = sequential(rows["epsilon"])
    for epsilon, group in rows.groupby("epsilon"):
        x, y = np.sqrt(group["dimension"]), scaled(group["value"], measure)
        axis.plot(x, y, ".", ms=4, color=colours[epsilon], alpha=0.6)
        median = y.groupby(x).median()
        axis.plot(
            median.index, median, "o--", ms=3.5, lw=1.2, color=colours[epsilon],
            label=f"{epsilon:g}",
        )  # fmt: skip
    axis.set_ylim(bottom=0)
    axis.set_xlim(left=0)


def _growth_panel(axis: Axes, rows: pd.DataFrame, rungs: Iterable[str]) -> None:
    axis.set_xlabel(r"$\sqrt{d / d_{\mathrm{smallest}}}$")
    axis.set_ylabel("gradient norm, 1 / smallest norm:\ngrowth over the smallest size")
    if rows.empty:
        say_empty(axis, "no finished cell")
        return
    rows = rows[rows["epsilon"] == rows["epsilon"].min()]
    curves = {
        "gradient": ("grad_l1_untied", "black", "*", "gradient norm"),
        **{
            rung: ("inverse_norm", ATTACK_COLOURS[rung], ATTACK_MARKERS[rung], name)
            for rung, name in _names(rows, "rung").items()
            if rung in rungs
        },
    }
    for rung, (measure, colour, marker, label) in curves.items():
        chosen = rows[(rows["rung"] == rung) & (rows["measure"] == measure)]
        median = chosen.groupby("dimension")["value"].median()
        if len(median):
            growth = np.sqrt(median.index.to_numpy(float) / median.index[0])
            axis.plot(
                growth, median / median.iloc[0], marker + "-", ms=4, color=colour, label=label
            )
    right = np.sqrt(rows["dimension"].max() / rows["dimension"].min())
    axis.plot([1, right], [1, right], ":", color="0.4", label=r"$\sqrt{d}$")
    axis.set_title(rf"training $\epsilon$ = {rows['epsilon'].min():g}")
    axis.legend(**LEGEND)


def _attacked(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the summaries with their networks' gradient norms, and threshold times norm."""
    cells = tables["cells"][[*IDENTITY, "grad_l1_median"]].dropna()
    rows = tables["attack_summaries"].merge(cells, on=IDENTITY)
    return rows.assign(strength=rows["threshold"] * rows["grad_l1_median"])


def _scatter(axis: Axes, rows: pd.DataFrame, x: pd.Series, line: bool = True) -> None:
    if rows.empty:
        say_empty(axis, "no attacked cell")
    for attack in ATTACK_COLOURS.present(rows["attack"]):
        chosen = rows["attack"] == attack
        axis.plot(
            x[chosen], scaled(rows.loc[chosen, "vulnerability"], "vulnerability"),
            ATTACK_MARKERS[attack], ls="-" if line else "", lw=0.8, ms=4.5, alpha=0.8,
            color=ATTACK_COLOURS[attack],
            fillstyle="none" if attack.endswith("l2") else "full", mew=1,
        )  # fmt: skip


def _reference(rows: pd.DataFrame) -> str:
    """Return PGD, or the first attack where PGD was not run."""
    present = ATTACK_COLOURS.present(rows["attack"])
    return REFERENCE if REFERENCE in present or not present else present[0]


def _present(rows: pd.DataFrame, names: Iterable[str]) -> list[str]:
    there = set(rows["attack"])
    return [name for name in names if name in there]


def _columns(axes: list[Axes], attacks: list[str]) -> Iterable[tuple[Axes, Axes, str]]:
    columns = len(axes) // 2
    return zip(axes[:columns], axes[columns:], attacks or [""], strict=True)


def _size_curves(
    rows: pd.DataFrame, colours: Mapping[int, Any]
) -> Iterator[tuple[str, dict[str, Any], pd.DataFrame]]:
    """Yield label, style and medians by threshold of each size, weakest and strongest training."""
    weakest, strongest = rows["epsilon"].min(), rows["epsilon"].max()
    columns = ["vulnerability", "strength", "damage", "first_order"]
    for epsilon, line in {strongest: "--", weakest: "-"}.items():
        of_strength = rows[rows["epsilon"] == epsilon]
        for size, group in of_strength.groupby("size"):
            label = f"{size} px"
            if weakest < strongest:
                label += rf", training $\epsilon$ = {epsilon:g}"
            style = {"color": colours[size], "ls": line, "lw": 1.2, "marker": "o", "ms": 3}
            yield label, style, group.groupby("threshold")[columns].median()


def _share_legend(figure: Figure, axes: list[Axes]) -> None:
    lines = {
        str(line.get_label()): line for axis in axes for line in axis.get_legend_handles_labels()[0]
    }
    if lines:
        figure.legend(
            list(lines.values()), list(lines), loc="outside lower center", ncols=4, frameon=False
        )


def _names(rows: pd.DataFrame, column: str) -> dict[str, str]:
    """Return the attacks' names, with the effort where it is not the reference's."""
    efforts = rows.drop_duplicates(column)[[column, "effort"]]
    return {
        attack: ATTACK_LABELS[attack] + (f"\n({effort})" if effort else "")
        for attack, effort in efforts.itertuples(index=False)
    }


def _attack_legend(figure: Figure, rows: pd.DataFrame) -> None:
    names = _names(rows, "attack")
    handles = [
        figure.axes[0].plot(
            [], [], ATTACK_MARKERS[name], ls="-", lw=0.8, ms=4.5, color=ATTACK_COLOURS[name],
            label=names[name], fillstyle="none" if name.endswith("l2") else "full",
            mew=1,
        )[0]
        for name in ATTACK_COLOURS.present(rows["attack"])
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
