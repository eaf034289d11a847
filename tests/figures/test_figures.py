import importlib
import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from advdim.config.sweep import METHODS, FigureSettings
from advdim.config.training import Methods
from advdim.figures import style
from advdim.figures.dimension import smoothed
from advdim.figures.registry import FIGURES
from advdim.tables import MEASURE_COLUMNS, summarise
from advdim.training.regularisers import first_order_factor


def synthetic_tables(status="done"):
    """Cells in which the gradient norm is sqrt(d) / (1 + 100 epsilon) exactly."""
    epochs, cells = [], []
    grid = itertools.product(METHODS[1:], (0.0, 0.001, 0.01, 0.1), (8, 16, 32), (0, 1))
    for method, epsilon, size, seed in grid:
        identity = {
            "dataset": "d", "network": "n", "size": size,
            "method": method if epsilon else "none", "epsilon": epsilon, "seed": seed,
        }  # fmt: skip
        if identity in [{key: cell[key] for key in identity} for cell in cells]:
            continue
        norm = size / (1 + 100 * epsilon)
        measures = {column.name: 0.5 for column in MEASURE_COLUMNS}
        measures |= {
            "grad_l1": norm, "grad_l1_untied": 2 * norm, "grad_l2": norm / 10,
            "vulnerability": norm / 40, "accuracy": 0.9 - epsilon,
        }  # fmt: skip
        rows = [
            {
                **identity, "epoch": epoch, "split": split, "summarised": epoch > 0,
                **{k: v * (1 + 0.01 * epoch) for k, v in measures.items()},
            }
            for epoch in range(6)
            for split in ("train", "test")
        ]  # fmt: skip
        epochs += rows
        factor = first_order_factor(method, getattr(Methods(), method).model_dump())
        cells.append(
            {
                **identity, "status": status, "dimension": size**2, "experiments": ["e"],
                "first_order_factor": factor if epsilon else 0.0, **summarise(pd.DataFrame(rows)),
            }
        )  # fmt: skip
    return {"cells": pd.DataFrame(cells), "epochs": pd.DataFrame(epochs)}


def draw(name, tables):
    entry = FIGURES[name]
    function = getattr(importlib.import_module(f"advdim.figures.{entry.module}"), entry.function)
    return function(tables, FigureSettings())


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws_labels_and_saves(name, tmp_path):
    figure = draw(name, synthetic_tables())
    for axis in figure.axes:
        assert axis.get_xlabel()
        assert axis.get_ylabel()
        assert axis.lines or axis.containers
    for suffix in ("pdf", "png", "svg"):
        style.save(figure, tmp_path / f"figure.{suffix}", FigureSettings())
        assert (tmp_path / f"figure.{suffix}").stat().st_size > 1000


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_survives_diverged_cells(name):
    tables = synthetic_tables(status="diverged")
    measured = [name for name in tables["cells"] if name.endswith(("_median", "_q10", "_q90"))]
    tables["cells"][measured] = np.nan
    tables["epochs"]["summarised"] = False
    figure = draw(name, tables)
    assert any("Diverged" in text.get_text() for text in figure.texts)


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_tables_give_the_same_file(name, tmp_path):
    for run in ("one", "two"):
        style.save(draw(name, synthetic_tables()), tmp_path / f"{run}.pdf", FigureSettings())
    assert (tmp_path / "one.pdf").read_bytes() == (tmp_path / "two.pdf").read_bytes()


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


def test_matched_strengths_shift_pgd():
    figure = draw("matched_strengths", synthetic_tables())
    axis = figure.axes[0]

    def strengths(method):
        colour, marker = style.METHOD_COLOURS[method], style.METHOD_MARKERS[method]
        (points,) = [
            line for line in axis.lines if line.get_marker() == marker and len(line.get_xdata())
            and line.get_color() == colour
        ]  # fmt: skip
        return np.unique(points.get_xdata())

    np.testing.assert_allclose(strengths("pgd_linf") / strengths("grad_l1"), 16 / 9)


def test_the_spline_of_repeated_abscissae_is_defined():
    x = np.repeat(np.arange(8.0), 3)
    fine, values = smoothed(x, 2 * x + np.tile([-1.0, 0.0, 1.0], 8), smoothing=200.0)
    np.testing.assert_allclose(values, 2 * fine, atol=1e-6)
