import numpy as np
import pandas as pd
import pytest
from scipy import stats

from advdim.figures import style
from advdim.figures.dimension import best_strengths, smoothed

from .invented import draw, synthetic_tables


def test_figure_2_shows_the_square_root_law():
    tables = synthetic_tables()
    keep = tables["cells"]["method"].isin(["none", "pgd_linf"])
    tables["cells"] = tables["cells"][keep]
    tables["epochs"] = tables["epochs"].merge(
        tables["cells"][["method", "epsilon"]].drop_duplicates()
    )
    axis = draw("input_dimension", tables).axes[1]
    curves = [container.lines[0] for container in axis.containers]
    assert len(curves) == 4
    slopes = [np.polyfit(*np.asarray(curve.get_data(), float), 1)[0] for curve in curves]
    assert slopes == sorted(slopes, reverse=True)
    for curve in curves:
        x, y = np.asarray(curve.get_data(), float)
        np.testing.assert_allclose(y / x, y[0] / x[0])


def test_the_growth_has_students_intervals_and_the_law_beside_it():
    tables = synthetic_tables()
    cells = tables["cells"]
    cells = cells[cells["method"].isin(["none", "pgd_linf"])].copy()
    cells["grad_l1_untied_median"] *= 1 + 0.1 * cells["seed"]
    third = cells[(cells["seed"] == 0) & (cells["epsilon"] == 0)]
    third = third.assign(seed=2, grad_l1_untied_median=1.3 * third["grad_l1_untied_median"])
    axis = draw("dimension_growth", {**tables, "cells": pd.concat([cells, third])}).axes[0]
    usual, *trained = axis.containers
    assert [c.get_label() for c in axis.containers][:2] == [
        "usual training", r"PGD, $\ell_\infty$, $\epsilon$ = 0.001"
    ]  # fmt: skip
    x, means = np.asarray(usual.lines[0].get_data(), float)
    np.testing.assert_allclose(x, [8, 16, 32])
    law = next(line for line in axis.lines if line.get_linestyle() == ":")
    np.testing.assert_allclose(
        law.get_data()[1] / np.maximum(law.get_data()[0], 1), [0, means[0] / 8]
    )
    # Against SciPy's own interval of a mean; two networks of a setting have none.
    for size, bar in zip((8, 16, 32), bars(usual), strict=True):
        values = 2 * size * 1.025 * np.array([1, 1.1, 1.3])
        expected = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
        np.testing.assert_allclose(bar[:, 1], expected)
    assert [segment for segment in bars(trained[0]) if len(segment)] == []


def test_the_growth_tells_methods_of_one_strength_apart_and_draws_the_law_once():
    tables = synthetic_tables()
    cells = tables["cells"]
    trained = cells["epsilon"].isin([0.1]) & cells["method"].isin(["grad_l1", "pgd_linf"])
    figure = draw("dimension_growth", {**tables, "cells": cells[trained]})
    markers = [container.lines[0].get_marker() for container in figure.axes[0].containers]
    assert markers == [style.METHOD_MARKERS[method] for method in ("grad_l1", "pgd_linf")]
    assert [line.get_linestyle() for line in figure.axes[0].lines].count(":") == 1
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(named) == len(set(named)) == 3


def bars(container):
    """Return a curve's error bars, shape (2, 2) each; empty without one."""
    return container.lines[2][0].get_segments()


def test_the_spline_of_repeated_abscissae_is_defined():
    x = np.repeat(np.arange(8.0), 3)
    fine, values = smoothed(x, 2 * x + np.tile([-1.0, 0.0, 1.0], 8), smoothing=200.0)
    np.testing.assert_allclose(values, 2 * fine, atol=1e-6)


def test_the_damage_is_set_against_the_gradient_at_the_image_and_with_ties_broken():
    tables = synthetic_tables()
    cells = tables["cells"][tables["cells"]["method"] == "none"]
    panel = draw("usual_training", {**tables, "cells": cells}).axes[3]
    filled, opened = (
        sorted(
            x
            for line in panel.lines
            if line.get_marker() == "o" and line.get_fillstyle() == fill
            for x in line.get_xdata()
        )
        for fill in ("full", "none")
    )
    assert all(line.get_markeredgewidth() for line in panel.lines if line.get_marker() == "o")
    predicted = sorted(cells["attack_threshold"] * cells["grad_l1_median"])
    assert filled == pytest.approx(predicted)
    assert opened == pytest.approx([2 * x for x in predicted])
    assert [text.get_text() for text in panel.get_legend().texts] == [
        "8",
        "16",
        "32",
        "ties broken",
    ]


def test_the_best_strength_of_each_size():
    rows = pd.DataFrame(
        {
            "size": [8, 8, 8, 16, 16], "epsilon": [0.0, 0.1, 0.1, 0.0, 0.1],
            "adversarial_accuracy": [0.5, 0.6, 0.8, 0.9, 0.1],
        }
    )  # fmt: skip
    best = best_strengths(rows)
    assert best[["size", "epsilon"]].drop_duplicates().to_numpy().tolist() == [[8, 0.1], [16, 0.0]]
    assert len(best) == 3
