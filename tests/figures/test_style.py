import re

import pytest

from advdim.catalogue import attacks as catalogue
from advdim.config.sweep import FigureSettings
from advdim.figures import style
from advdim.sweep import IDENTITY

from .invented import draw, synthetic_tables


@pytest.mark.parametrize(
    ("strengths", "marked"),
    [
        ([0, 0.05], ["0", "0.05"]),
        ([0, 0.001, 0.0032, 0.01], ["0", "0.001", "0.01"]),
        ([0, 0.02, 0.03, 0.05, 0.07], ["0", "0.01", "0.1"]),
        ([0], ["0"]),
    ],
)
def test_strengths_are_marked_however_few(strengths, marked):
    figure, (axis,) = style.panels(1, 1, FigureSettings())
    style.strength_axis(axis, style.strength_positions(strengths), "strength")
    figure.draw_without_rendering()
    assert [label.get_text() for label in axis.get_xticklabels()] == marked


@pytest.mark.parametrize(
    ("ends", "marks"),
    [((0.02, 0.1), ["0.03", "0.1"]), ((0.02, 0.4), ["0.03", "0.1", "0.3"]),
     ((1e-4, 1.0), ["-4", "-3", "-2", "-1", "0"]), ((0.004, 0.008), ["0.004", "0.008"]),
     ((0.001, 0.0025), ["0.001", "0.002"]), ((-1.0, 0.02, 0.1), ["0.03", "0.1"])],
)  # fmt: skip
def test_marks_of_a_logarithmic_axis_are_few_and_not_between(ends, marks):
    figure, (axis,) = style.panels(1, 1, FigureSettings())
    axis.plot(ends, ends)
    style.logarithmic_axis(axis.xaxis)
    figure.draw_without_rendering()
    low, high = sorted(axis.get_xlim())
    shown = [
        tick.label1.get_text()
        for tick in (*axis.xaxis.get_major_ticks(), *axis.xaxis.get_minor_ticks())
        if low <= tick.get_loc() <= high and tick.label1.get_text()
    ]
    assert [re.sub(r".*\{10\^\{(-?\d+)\}\}.*", r"\1", text) for text in shown] == marks


def test_every_panel_is_lettered_and_open_however_many_there_are():
    _, axes = style.panels(2, 15, FigureSettings())
    letters = [axis.get_title(loc="left") for axis in axes]
    assert (letters[0], letters[20], letters[25:28]) == ("a", "u", ["z", "aa", "ab"])
    for axis in axes:
        assert not axis.spines["top"].get_visible()


def test_colours_and_labels_name_every_attack():
    for owner in (style.ATTACK_COLOURS, style.ATTACK_LABELS, style.ATTACK_MARKERS):
        assert set(owner) == set(catalogue.ATTACKS)


def test_the_strength_is_that_of_the_method_that_trained():
    tables = synthetic_tables()
    for method, expected in (("pgd_linf", "PGD"), ("grad_l1", "gradient"), (None, "strength")):
        keep = tables["cells"]["method"].isin(["none", method]) if method else slice(None)
        cells = tables["cells"][keep]
        rows = {"cells": cells, "epochs": tables["epochs"].merge(cells[IDENTITY])}
        title = draw("input_dimension", rows).axes[0].get_legend().get_title().get_text()
        assert title == style.strength_label(cells)
        assert expected in title


def test_a_note_on_missing_cells_lies_below_the_legend_in_the_file(tmp_path, monkeypatch):
    tables = synthetic_tables()
    tables["epochs"] = tables["epochs"][tables["epochs"]["epsilon"] == 0]
    tables["cells"].loc[tables["cells"]["seed"] == 0, "status"] = "diverged"
    figure = draw("training_curves", tables)
    (note,), (legend,) = figure.texts, figure.legends
    drawn, places = note.draw, []

    def record(renderer):
        drawn(renderer)
        places.append((legend.get_window_extent().y0, note.get_window_extent().y1))

    monkeypatch.setattr(note, "draw", record)
    style.save(figure, [tmp_path / "narrow.png"], FigureSettings())
    assert places[-1][0] > places[-1][1]


def test_open_points_have_an_edge():
    axes = draw("early_stopping", synthetic_tables()).axes
    opened = [line for axis in axes for line in axis.lines if line.get_fillstyle() == "none"]
    assert opened
    assert all(line.get_markeredgewidth() > 0 for line in opened)
