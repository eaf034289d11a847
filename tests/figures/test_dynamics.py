import numpy as np

from advdim.sweep import IDENTITY
from advdim.tables.derived import early_and_last, train_test_gaps

from .invented import draw, synthetic_tables


def test_curves_over_epochs_are_medians_over_seeds():
    tables = synthetic_tables()
    axes = draw("training_curves", tables).axes
    (first, *_) = [line for line in axes[0].lines if len(line.get_xdata())]
    np.testing.assert_array_equal(first.get_xdata(), np.arange(5))
    np.testing.assert_allclose(first.get_ydata(), 100 - 90 * (1 + 0.01 * np.arange(5)))
    strengths = {axis.get_title() for axis in axes[:3]}
    # Networks of several methods share a panel.
    assert strengths == {"usual training", *(rf"strength $\epsilon$ = {e}" for e in (0.01, 0.1))}


def test_a_single_epoch_shows():
    tables = synthetic_tables()
    tables["epochs"] = tables["epochs"][tables["epochs"]["epoch"] == 0]
    axis = draw("training_curves", tables).axes[0]
    lines = [line for line in axis.lines if len(line.get_xdata())]
    assert {(len(line.get_xdata()), line.get_marker()) for line in lines} == {(1, ".")}


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


def test_early_stopping_compares_the_lowest_test_loss_with_the_last_epoch():
    tables = synthetic_tables()
    epochs = tables["epochs"]
    epochs["loss"] = (epochs["epoch"] - 2.0) ** 2
    stopped = early_and_last(epochs)
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
    stopped = early_and_last(epochs)
    assert set(stopped["epoch_last"]) == {4}
    assert stopped[["loss_last", "damage_last"]].isna().all(axis=None)
    assert stopped[["vulnerability_last", "damage_best"]].notna().all(axis=None)


def test_a_network_without_a_known_loss_was_not_early_and_last():
    epochs = synthetic_tables()["epochs"]
    unknown = epochs["seed"] == 0
    epochs.loc[unknown, "loss"] = np.nan
    stopped = early_and_last(epochs)
    assert set(stopped["seed"]) == {1}
    assert len(stopped) == len(epochs[~unknown].drop_duplicates(IDENTITY))


def test_the_gap_is_test_less_train():
    tables = synthetic_tables()
    epochs = tables["epochs"].merge(tables["cells"][["size", "dimension"]].drop_duplicates())
    epochs.loc[epochs["split"] == "train", "grad_l1_untied"] -= epochs["size"]
    gaps = train_test_gaps(epochs)
    assert len(gaps) == len(epochs) / 2
    np.testing.assert_allclose(gaps["gap"], gaps["size"])
