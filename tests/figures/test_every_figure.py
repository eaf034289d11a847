import numpy as np
import pytest
from matplotlib.layout_engine import ConstrainedLayoutEngine

from advdim.catalogue.figures import FIGURES
from advdim.config import load
from advdim.config.sweep import FigureSettings
from advdim.figures import style
from advdim.stages.figure import of_experiments
from advdim.sweep import IDENTITY

from .invented import draw, synthetic_tables


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws_and_labels(name, tmp_path):
    figure = draw(name, synthetic_tables())
    for axis in figure.axes:
        if axis.images:
            continue
        assert axis.get_xlabel()
        assert axis.get_ylabel()
        assert axis.lines or axis.containers
    style.save(figure, [tmp_path / "one.svg"], FigureSettings())
    assert (tmp_path / "one.svg").stat().st_size > 1000


OF_CELLS = [name for name in FIGURES if "cells" in FIGURES[name].tables]


@pytest.mark.parametrize("name", OF_CELLS)
def test_every_figure_survives_diverged_cells(name):
    tables = synthetic_tables(status="diverged")
    measured = [name for name in tables["cells"] if name.endswith(("_median", "_q10", "_q90"))]
    tables["cells"][measured] = np.nan
    tables["epochs"]["summarised"] = False
    for table in ("attack_summaries", "ladder", "examples", "bounds"):
        tables[table] = tables[table].iloc[:0]
    figure = draw(name, tables)
    assert any("Diverged" in text.get_text() for text in figure.texts)


def test_a_cell_that_diverged_late_is_named_and_not_shown(raw_config):
    """It has rows of the summarised epochs before; they are in the tables, not in a figure."""
    tables = synthetic_tables()
    del tables["initialisation"]
    tables["cells"]["experiments"] = [["dimension"]] * len(tables["cells"])
    late = tables["cells"]["seed"] == 0
    tables["cells"].loc[late, "status"] = "diverged"
    shown = of_experiments(tables, load(raw_config), ["dimension"])
    assert len(shown["cells"]) == len(tables["cells"])
    assert set(shown["epochs"]["seed"]) == {1}
    measured = shown["cells"]["grad_l1_median"].notna()
    assert set(shown["cells"][measured]["status"]) == {"done"}
    for name in ("regularisation_methods", "input_dimension"):
        figure = draw(name, shown)
        (note,) = [text.get_text() for text in figure.texts if "Diverged" in text.get_text()]
        assert f"{late.sum()} (n, none 0 at 8 px, seed 0; " in note


@pytest.mark.parametrize("name", ["matched_strengths", "regularisation_methods"])
def test_cells_that_failed_are_named_though_nothing_is_known_of_them(name):
    tables = synthetic_tables()
    cells = tables["cells"]
    lost = (cells["method"] == "grad_l1") & (cells["epsilon"] == 0.1)
    unknown = [column for column in cells if column.endswith(("_median", "_factor"))]
    cells.loc[lost, "status"] = "failed"
    cells.loc[lost, unknown] = np.nan
    (note,) = [text.get_text() for text in draw(name, tables).texts]
    assert note.startswith(f"Failed, not shown: {lost.sum()} (n, grad_l1 0.1 at 8 px, seed 0; ")


@pytest.mark.parametrize("suffix", ["pdf", "png", "svg"])
def test_no_format_holds_a_time(suffix, tmp_path):
    for run in ("one", "two"):
        figure = draw("early_stopping", synthetic_tables())
        style.save(figure, [tmp_path / f"{run}.{suffix}"], FigureSettings())
    assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


def test_the_layout_is_found_once_for_all_files(tmp_path, monkeypatch):
    found = []
    execute = ConstrainedLayoutEngine.execute
    monkeypatch.setattr(
        ConstrainedLayoutEngine, "execute", lambda *args: found.append(1) or execute(*args)
    )
    figure = draw("input_dimension", synthetic_tables())
    files = [tmp_path / f"one.{suffix}" for suffix in ("pdf", "png", "svg")]
    style.save(figure, files, FigureSettings())
    assert all(file.stat().st_size for file in files)
    assert len(found) == 1


def test_experiments_may_be_drawn_together(raw_config):
    tables = synthetic_tables()
    del tables["initialisation"]
    cells = tables["cells"]
    both = [["dimension"], ["regularisation"], ["other"]]
    cells["experiments"] = [both[k % 3] for k in range(len(cells))]
    config = load(raw_config)
    shown = of_experiments(tables, config, ["dimension", "regularisation"])
    assert len(shown["cells"]) == sum(k % 3 < 2 for k in range(len(cells)))
    assert len(shown["epochs"].drop_duplicates(IDENTITY)) == len(shown["cells"])
    assert set(shown["attack_summaries"]["attack"]) == {"fgsm"}
