import functools
import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from matplotlib.layout_engine import ConstrainedLayoutEngine
from scipy import stats

from advdim.catalogue import attacks as catalogue
from advdim.catalogue.figures import FIGURES
from advdim.catalogue.methods import METHODS, first_order_factor
from advdim.config import load
from advdim.config.sweep import FigureSettings
from advdim.config.training import Methods
from advdim.figures import style
from advdim.figures.dimension import best_strengths, smoothed
from advdim.figures.dynamics import stopped_early, train_test_gaps
from advdim.stages.figure import of_experiments
from advdim.sweep import IDENTITY
from advdim.tables import MEASURE_COLUMNS, schema, summarise
from advdim.tables.attack_summaries import ladder
from advdim.tables.exponents import PREDICTED


def synthetic_tables(status="done"):
    """Return a fresh copy of the invented tables."""
    tables = {name: table.copy() for name, table in invented_tables().items()}
    tables["cells"]["status"] = status
    return tables


@functools.cache
def invented_tables():
    """Cells in which the gradient norm is sqrt(d) / (1 + 100 epsilon) exactly."""
    epochs, cells = [], []
    trained = itertools.product(list(METHODS)[1:], (0.001, 0.01, 0.1))
    grid = itertools.product([("none", 0.0), *trained], (8, 16, 32), (0, 1))
    for (method, epsilon), size, seed in grid:
        identity = {
            "dataset": "d", "network": "n", "size": size,
            "method": method, "epsilon": epsilon, "seed": seed,
        }  # fmt: skip
        norm = size / (1 + 100 * epsilon)
        measures = {column.name: 0.5 for column in MEASURE_COLUMNS}
        measures |= {
            "grad_l1": norm, "grad_l1_untied": 2 * norm, "grad_l2": norm / 10,
            "vulnerability": norm / 40, "accuracy": 0.9 - epsilon, "damage": 0.004 * 2 * norm,
            "adversarial_accuracy": 0.4 - epsilon,
        }  # fmt: skip
        rows = [
            {
                **identity, "epoch": epoch, "split": split, "summarised": epoch > 0,
                **{k: v * (1 + 0.01 * epoch) for k, v in measures.items()},
            }
            for epoch in range(-1, 5)
            for split in ("train", "test")
        ]  # fmt: skip
        epochs += rows
        options = getattr(Methods(), method).model_dump() if epsilon else {}
        cells.append(
            {
                **identity, "dimension": size**2, "experiments": ["e"],
                "dampening": 0.5, "attack_threshold": 0.004,
                "first_order_factor": first_order_factor(method, options),
                **summarise(pd.DataFrame(rows)),
            }
        )  # fmt: skip
    tables = {"cells": pd.DataFrame(cells), "epochs": pd.DataFrame(epochs)}
    tables["initialisation"] = initialisation_table()
    return tables | attack_tables(tables["cells"])


def bound_rows(cells):
    """Certified radii of 1e-4 and adversarials of .1 at every size, and a violated bound."""
    identity = ["dataset", "network", "size", "method", "epsilon", "seed", "dimension"]
    rows = [
        {
            **{name: cell[name] for name in identity}, "sample": k, "pixel_scale": 0.3,
            "published": 1e-6 if k else 0.2, "sound": 2e-4, "operator_norms": 1e-4 * (1 + k / 10),
            "label": 1, "prediction": int(k < 4),
            "best_attack_l2": 0.1 * (1 + k / 10), "fgsm_l2": 0.2 if k else np.nan,
            "attacked": True, "published_violated": not k,
        }
        for cell in cells.to_dict("records")
        for k in range(5)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def initialisation_table():
    """Two networks that keep to the theorems exactly, up to a factor per seed."""
    grid = itertools.product(("a", "b"), (8, 16, 32), (0, 1), PREDICTED, ("", "_untied"))
    rows = [
        {
            "experiment": "e", "dataset": "d", "network": network, "size": size, "seed": seed,
            "dimension": size**2, "statistic": statistic + suffix, "dampening": 1.0,
            "value": (1 + seed) * size ** (2 * PREDICTED[statistic]),
        }
        for network, size, seed, statistic, suffix in grid
    ]  # fmt: skip
    return pd.DataFrame(rows)


ATTACKS = ("fgsm", "pgd_linf", "autoattack_linf", "gradient_l2", "deepfool_l2")
THRESHOLDS = (0.001, 0.01, 0.1)


def attack_tables(cells):
    """Attacks that keep to the first order exactly, until all predictions have changed."""
    identity = ["dataset", "network", "size", "method", "epsilon", "seed", "dimension"]
    summaries, examples = [], []
    for cell in cells.to_dict("records"):
        same = {name: cell[name] for name in identity}
        for attack, threshold in itertools.product(ATTACKS, THRESHOLDS):
            predicted = threshold * cell["grad_l1_median"]
            summaries.append(
                {
                    **same, "attack": attack, "norm": attack.split("_")[-1].replace("fgsm", "linf"),
                    "effort": "5 steps" if attack.startswith("auto") else "",
                    "threshold": threshold, "reported": threshold == 0.01,
                    "vulnerability": min(predicted, 1.0), "damage": predicted,
                    "first_order": predicted, "norm_linf_median": 1 / cell["grad_l1_median"],
                }
            )  # fmt: skip
        if cell["method"] == "none" and cell["seed"] == 0:
            pixels = np.linspace(0, 1, 3 * cell["size"] ** 2, dtype=np.float32)
            examples += [
                {
                    **{name: same[name] for name in IDENTITY}, "attack": "pgd_linf", "sample": k,
                    "channels": 3, "label": "one",
                    "prediction": "one", "adversarial_prediction": "two", "found": k < 2,
                    "norm_linf": 0.01, "clean": pixels, "perturbed": pixels + 0.01,
                }
                for k in range(3)
            ]  # fmt: skip
    summaries = pd.DataFrame(summaries)
    return {
        "attack_summaries": summaries,
        "ladder": pd.DataFrame(ladder(cells, summaries)),
        "examples": pd.DataFrame(examples),
        "bounds": bound_rows(cells),
    }


def as_declared(name, table):
    """Return a table as a figure's stage reads it: these columns, these types, null elsewhere."""
    declared = schema(name)
    assert set(table.columns) <= set(declared.names), set(table.columns) - set(declared.names)
    columns = [
        pa.array(list(table[field.name]), field.type, from_pandas=True)
        if field.name in table
        else pa.nulls(len(table), field.type)
        for field in declared
    ]
    return pa.Table.from_arrays(columns, schema=declared).to_pandas()


def draw(name, tables):
    """Draw a figure from the tables that it names, and nothing else."""
    entry = FIGURES[name]
    tables = {table: as_declared(table, tables[table]) for table in entry.tables}
    return entry.load()(tables, FigureSettings())


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


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


def test_the_spline_of_repeated_abscissae_is_defined():
    x = np.repeat(np.arange(8.0), 3)
    fine, values = smoothed(x, 2 * x + np.tile([-1.0, 0.0, 1.0], 8), smoothing=200.0)
    np.testing.assert_allclose(values, 2 * fine, atol=1e-6)


def test_the_damage_of_the_first_order_has_ratio_one():
    axis = draw("first_order_damage", synthetic_tables()).axes[0]
    curves = [line for line in axis.lines if line.get_marker() == "o"]
    assert len(curves) == 2 * 3
    for curve in curves:
        np.testing.assert_allclose(curve.get_ydata(), 1.0)


def test_rescaled_thresholds_put_all_sizes_on_one_curve():
    figure = draw("attack_thresholds", synthetic_tables())
    below = figure.axes[len(figure.axes) // 2]
    for curve in below.lines:
        x, y = np.asarray(curve.get_data(), float)
        np.testing.assert_allclose(y, 100 * np.minimum(x, 1.0))


def test_names_of_many_networks_do_not_touch():
    rows = synthetic_tables()["initialisation"]
    one = rows[rows["network"] == rows["network"].iloc[0]]
    many = pd.concat([one.assign(network=f"network_{k}") for k in range(24)])
    figure = draw("initialisation_exponents", {"initialisation": many})
    figure.canvas.draw()
    names = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert len(names) == 24
    assert all(upper.y0 >= lower.y1 for upper, lower in itertools.pairwise(names))
    said = {text.get_text() for text in figure.legends[0].texts}
    assert said == {"ties broken", "at the image", "theorem"}


def test_attacks_in_l2_have_markers_that_show():
    axes = draw("attack_agreement", synthetic_tables()).axes
    opened = [line for axis in axes for line in axis.lines if line.get_fillstyle() == "none"]
    assert opened
    assert all(line.get_markeredgewidth() > 0 for line in opened)


def test_the_ladder_grows_with_the_root_of_the_dimension():
    axes = draw("attack_ladder", synthetic_tables()).axes
    growth = axes[len(axes) // 2]
    solid = [line for line in growth.lines if line.get_linestyle() == "-"]
    assert len(solid) == 4
    for curve in solid:
        x, y = np.asarray(curve.get_data(), float)
        np.testing.assert_allclose(y, x)


def test_the_ladders_panels_share_their_sizes_where_an_attack_ran_at_fewer():
    tables = synthetic_tables()
    ladder = tables["ladder"]
    fewer = (ladder["rung"] == "pgd_linf") & (ladder["size"] == ladder["size"].max())
    axes = draw("attack_ladder", {**tables, "ladder": ladder[~fewer]}).axes
    limits = {
        axis.get_xlim() for axis in axes if axis.get_xlabel() == style.LABELS["root_dimension"]
    }
    assert len(limits) == 1


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


def test_every_panel_is_lettered_and_open_however_many_there_are():
    _, axes = style.panels(2, 15, FigureSettings())
    letters = [axis.get_title(loc="left") for axis in axes]
    assert (letters[0], letters[20], letters[25:28]) == ("a", "u", ["z", "aa", "ab"])
    for axis in axes:
        assert not axis.spines["top"].get_visible()


def test_colours_and_labels_name_every_attack():
    for owner in (style.ATTACK_COLOURS, style.ATTACK_LABELS, style.ATTACK_MARKERS):
        assert set(owner) == set(catalogue.ATTACKS)


def test_the_examples_show_every_image_of_every_size():
    figure = draw("adversarial_examples", synthetic_tables())
    assert len([axis for axis in figure.axes if axis.images]) == 3 * 3 * 3
    assert [axis.get_xlabel() for axis in figure.axes].count("none found") == 3


def test_the_examples_are_of_one_network_per_size():
    tables = synthetic_tables()
    first = tables["examples"]
    # another experiment, whose networks these are, too, has its own first ones
    other = first.assign(method="pgd_linf", epsilon=0.1, found=True)
    both = pd.concat([first, other], ignore_index=True)
    figure = draw("adversarial_examples", {**tables, "examples": both})
    assert len([axis for axis in figure.axes if axis.images]) == 3 * 3 * 3
    assert [axis.get_xlabel() for axis in figure.axes].count("none found") == 3


def test_a_constant_l2_radius_falls_like_the_root_of_the_dimension():
    axes = draw("certified_dimension", synthetic_tables()).axes
    for axis, smallest in ((axes[0], 1.2e-4 / 8), (axes[1], 0.12 / 8)):
        curves = [container.lines[0] for container in axis.containers]
        assert len(curves) == 4
        for curve in curves:
            x, y = np.asarray(curve.get_data(), float)
            assert y[0] == pytest.approx(smallest)
            np.testing.assert_allclose(y * x, y[0] * x[0])
    gap = axes[2].containers[0].lines[0]
    np.testing.assert_allclose(np.asarray(gap.get_ydata(), float), 3.0)


def test_the_counter_example_counts_violations_and_shows_them_above_the_diagonal():
    tables = synthetic_tables()
    axis, histogram = draw("counter_example", tables).axes
    published = next(line for line in axis.lines if line.get_label() == "published bound")
    above = np.asarray(published.get_ydata()) > np.asarray(published.get_xdata())
    count = int(tables["bounds"]["published_violated"].sum())
    assert above.sum() == count
    assert histogram.get_title() == f"published violated: {count} of {len(tables['bounds'])}"


def test_the_histograms_hold_every_image_once():
    tables = synthetic_tables()
    axes = draw("bound_histograms", tables).axes
    images = len(tables["bounds"])
    missing = int(tables["bounds"]["fgsm_l2"].isna().sum())
    counts = [[patch.get_data()[0].sum() for patch in axis.patches] for axis in axes]
    assert counts[0] == [images - missing, images]
    assert counts[1] == [images, images]
    assert counts[2] == [images - missing, images - missing, images]


def test_the_band_of_certified_accuracy_lies_between_the_bounds_and_the_attacks():
    tables = synthetic_tables()
    axes = draw("certified_accuracy", tables).axes
    rows = tables["bounds"].query("epsilon == 0")
    for axis in axes:
        for low, high in zip(axis.lines[::2], axis.lines[1::2], strict=True):
            assert (low.get_ydata() <= high.get_ydata()).all()
            assert low.get_ydata()[0] == high.get_ydata()[0] == 80
            assert low.get_ydata()[-1] == high.get_ydata()[-1] == 0
    # At a threshold by hand: all bounds are 2e-4, adversarials lie from .1 to .14.
    low, high = axes[0].lines[:2]
    first = rows[rows["size"] == rows["size"].min()]
    x = np.asarray(low.get_xdata()) * np.sqrt(first["dimension"].iloc[0])
    assert (low.get_ydata()[x > 2.001e-4] == 0).all()
    assert (high.get_ydata()[x < 0.0999] == 80).all()
    # Four of five are right; the attacks change one of them from .1 on, another from .11 on.
    for below, above, share in ((0.1001, 0.1099, 60), (0.1101, 0.1199, 40)):
        between = high.get_ydata()[(x > below) & (x < above)]
        assert between.tolist() == [share] * max(len(between), 1)


def test_images_that_no_attack_has_tried_are_in_no_band():
    tables = synthetic_tables()
    rows = tables["bounds"]
    shown = draw("certified_accuracy", tables).axes[0].lines[1].get_ydata()
    untried = rows.assign(attacked=False, best_attack_l2=np.nan)
    more = {**tables, "bounds": pd.concat([rows, untried])}
    np.testing.assert_array_equal(
        draw("certified_accuracy", more).axes[0].lines[1].get_ydata(), shown
    )
    alone = draw("certified_accuracy", {**tables, "bounds": untried}).axes[0]
    assert np.isnan(alone.lines[1].get_ydata()).all()
    assert alone.lines[0].get_ydata()[0] == 80


def test_the_theorem_figure_shows_the_predicted_slopes():
    axes = draw("initialisation_norms", synthetic_tables()).axes
    for axis, predicted in zip(axes, PREDICTED.values(), strict=True):
        lines = [line for line in axis.lines if len(line.get_xdata()) > 1]
        slopes = [np.polyfit(*np.log(np.asarray(line.get_data(), float)), 1)[0] for line in lines]
        assert np.allclose(slopes, predicted)
        assert len(slopes) == 3


def test_curves_over_epochs_are_medians_over_seeds():
    tables = synthetic_tables()
    axes = draw("training_curves", tables).axes
    (first, *_) = [line for line in axes[0].lines if len(line.get_xdata())]
    np.testing.assert_array_equal(first.get_xdata(), np.arange(5))
    np.testing.assert_allclose(first.get_ydata(), 100 - 90 * (1 + 0.01 * np.arange(5)))
    strengths = {axis.get_title() for axis in axes[:3]}
    # Networks of several methods share a panel.
    assert strengths == {"usual training", *(rf"strength $\epsilon$ = {e}" for e in (0.01, 0.1))}


def test_a_size_has_its_colour_whatever_is_missing_in_a_panel():
    tables = synthetic_tables()
    epochs = tables["epochs"]
    tables["epochs"] = epochs[(epochs["epsilon"] == 0) | (epochs["size"] > 8)]
    left, _, right = draw("training_curves", tables).axes[:3]
    colours = [
        [line.get_color() for line in axis.lines if len(line.get_xdata())][-2:]
        for axis in (left, right)
    ]
    assert colours[0] == colours[1]


@pytest.mark.parametrize("figure", ["attack_thresholds", "first_order_damage"])
def test_a_size_has_its_colour_under_every_attack(figure):
    tables = synthetic_tables()
    rows = tables["attack_summaries"]
    first, second = rows.loc[rows["first_order"] > 0, "attack"].unique()[:2]
    rows = rows[rows["attack"].isin([first, second])]
    # one attack is still to be made on the smallest networks
    missing = (rows["attack"] == first) & (rows["size"] == rows["size"].min())
    tables["attack_summaries"] = rows[~missing]
    drawn = draw(figure, tables)
    colours = [
        {line.get_label(): line.get_color() for line in axis.lines if "px" in line.get_label()}
        for axis in drawn.axes[:2]
    ]
    fewer, all_sizes = sorted(colours, key=len)
    assert 0 < len(fewer) < len(all_sizes)
    assert all(all_sizes[name] == colour for name, colour in fewer.items())
    assert {text.get_text() for text in drawn.legends[0].get_texts()} == set(all_sizes)


def test_a_panel_compares_the_two_vulnerabilities():
    tables = synthetic_tables()
    tables["epochs"]["vulnerability_of_label"] = tables["epochs"]["vulnerability"] / 4
    axis = draw("loss_and_accuracy_damage", tables).axes[3]
    diagonal, *sizes = axis.lines
    np.testing.assert_array_equal(*diagonal.get_data())
    assert len(sizes) == 3
    for line in sizes:
        np.testing.assert_allclose(line.get_ydata(), np.asarray(line.get_xdata()) / 4)
        assert max(line.get_xdata()) > 10


def test_the_names_of_attacks_say_their_effort():
    titles = {axis.get_title() for axis in draw("attack_thresholds", synthetic_tables()).axes}
    assert "AutoAttack, $\\ell_\\infty$\n(5 steps)" in titles
    assert "FGSM, $\\ell_\\infty$" in titles
    ladder_titles = {axis.get_title() for axis in draw("attack_ladder", synthetic_tables()).axes}
    assert "AutoAttack, $\\ell_\\infty$\n(5 steps)" in ladder_titles


def test_early_stopping_compares_the_lowest_test_loss_with_the_last_epoch():
    tables = synthetic_tables()
    epochs = tables["epochs"]
    epochs["loss"] = (epochs["epoch"] - 2.0) ** 2
    stopped = stopped_early(epochs)
    assert len(stopped) == len(tables["cells"])
    assert set(stopped["epoch_best"]) == {2}
    assert set(stopped["epoch_last"]) == {4}
    np.testing.assert_allclose(
        stopped["vulnerability_best"] / stopped["vulnerability_last"], 1.02 / 1.04
    )


def test_the_last_epoch_is_one_epoch_whatever_is_unknown_of_it():
    epochs = synthetic_tables()["epochs"]
    last = epochs["epoch"] == epochs["epoch"].max()
    epochs.loc[last, ["loss", "damage"]] = np.nan
    stopped = stopped_early(epochs)
    assert set(stopped["epoch_last"]) == {4}
    assert stopped[["loss_last", "damage_last"]].isna().all(axis=None)
    assert stopped[["vulnerability_last", "damage_best"]].notna().all(axis=None)


def test_a_network_without_a_known_loss_was_not_stopped_early():
    epochs = synthetic_tables()["epochs"]
    unknown = epochs["seed"] == 0
    epochs.loc[unknown, "loss"] = np.nan
    stopped = stopped_early(epochs)
    assert set(stopped["seed"]) == {1}
    assert len(stopped) == len(epochs[~unknown].drop_duplicates(IDENTITY))


def test_the_gap_is_test_less_train():
    tables = synthetic_tables()
    epochs = tables["epochs"].merge(tables["cells"][["size", "dimension"]].drop_duplicates())
    epochs.loc[epochs["split"] == "train", "grad_l1_untied"] -= epochs["size"]
    gaps = train_test_gaps(epochs)
    assert len(gaps) == len(epochs) / 2
    np.testing.assert_allclose(gaps["gap"], gaps["size"])


def test_the_prediction_of_the_pooling_figure_is_the_reference_dampened():
    tables = synthetic_tables()
    cells, epochs = tables["cells"], tables["epochs"]
    keep = (cells["method"] == "none") & (cells["size"] == 8)
    strided = cells[keep].assign(network="strided", dampening=1.0)
    average = cells[keep].assign(network="average", dampening=0.25)
    tables["cells"] = pd.concat([strided, average])
    plain = epochs[(epochs["method"] == "none") & (epochs["size"] == 8)]
    tables["epochs"] = pd.concat([plain.assign(network=n) for n in ("strided", "average")])
    dashes = [
        line for line in draw("pooling", tables).axes[0].lines if line.get_linestyle() == "--"
    ]
    at = sorted(line.get_ydata()[0] for line in dashes)
    np.testing.assert_allclose(at, [0.25 * 16 * 0.99, 16 * 0.99])


def test_the_prediction_of_the_pooling_figure_is_made_for_each_size():
    tables = synthetic_tables()
    pools = {"strided": 1.0, "average": 0.25}
    plain = [tables[name].query("method == 'none'") for name in ("cells", "epochs")]
    tables["cells"], tables["epochs"] = (
        pd.concat([rows.assign(network=network) for network in pools]) for rows in plain
    )
    tables["cells"]["dampening"] = tables["cells"]["network"].map(pools)
    axis = draw("pooling", tables).axes[0]
    at = sorted(line.get_ydata()[0] for line in axis.lines if line.get_linestyle() == "--")
    sizes = np.array([8, 16, 32])
    np.testing.assert_allclose(at, sorted([*(2 * 0.99 * sizes), *(2 * 0.99 * sizes / 4)]))


def test_the_pooling_figure_shows_usual_training_only():
    tables = synthetic_tables()
    axis = draw("pooling", tables).axes[1]
    points = np.concatenate([line.get_ydata() for line in axis.lines if line.get_marker() == "o"])
    plain = tables["cells"]["method"] == "none"
    np.testing.assert_allclose(
        sorted(points), sorted(tables["cells"].loc[plain, "grad_l1_untied_median"])
    )


def test_the_strength_is_that_of_the_method_that_trained():
    tables = synthetic_tables()
    for method, expected in (("pgd_linf", "PGD"), ("grad_l1", "gradient"), (None, "strength")):
        keep = tables["cells"]["method"].isin(["none", method]) if method else slice(None)
        cells = tables["cells"][keep]
        rows = {"cells": cells, "epochs": tables["epochs"].merge(cells[IDENTITY])}
        title = draw("input_dimension", rows).axes[0].get_legend().get_title().get_text()
        assert title == style.strength_label(cells)
        assert expected in title


def test_measured_dampening_lies_on_the_diagonal_where_theory_holds():
    tables = synthetic_tables()
    rows = tables["initialisation"]
    rows["dampening"] = np.where(rows["network"] == "a", 1.0, 0.5)
    rows["value"] = rows["dampening"]
    against, ratio = draw("initialisation_dampening", tables).axes
    for line in against.lines[:-1]:
        np.testing.assert_allclose(line.get_xdata(), line.get_ydata())
    for line in ratio.lines:
        np.testing.assert_allclose(line.get_ydata(), 1.0)


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
