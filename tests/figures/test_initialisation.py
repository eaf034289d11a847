import itertools

import numpy as np
import pandas as pd

from advdim.tables.exponents import PREDICTED

from .invented import draw, synthetic_tables


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


def test_what_has_no_slope_says_so():
    rows = synthetic_tables()["initialisation"]
    zero = draw("initialisation_norms", {"initialisation": rows.assign(value=0.0)})
    said = {text.get_text() for axis in zero.axes for text in axis.texts}
    assert said == {"no gradient, or zero only"}
    one_size = rows[rows["dimension"] == rows["dimension"].min()]
    figure = draw("initialisation_exponents", {"initialisation": one_size})
    said = {text.get_text() for axis in figure.axes for text in axis.texts}
    assert said == {"an exponent takes two sizes"}


def test_the_theorem_figure_shows_the_predicted_slopes():
    axes = draw("initialisation_norms", synthetic_tables()).axes
    for axis, predicted in zip(axes, PREDICTED.values(), strict=True):
        lines = [line for line in axis.lines if len(line.get_xdata()) > 1]
        slopes = [np.polyfit(*np.log(np.asarray(line.get_data(), float)), 1)[0] for line in lines]
        assert np.allclose(slopes, predicted)
        assert len(slopes) == 3


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
