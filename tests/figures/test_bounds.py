import numpy as np
import pandas as pd
import pytest

from .invented import draw, synthetic_tables


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
