import numpy as np
import pytest

from advdim.figures import style

from .invented import draw, synthetic_tables


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


def test_an_attack_that_finds_little_says_so():
    tables = synthetic_tables()
    ladder = tables["ladder"]
    unknown = (ladder["rung"] == "pgd_linf") & (ladder["measure"] == "inverse_norm")
    axes = draw("attack_ladder", {**tables, "ladder": ladder[~unknown]}).axes
    (said,) = [text.get_text() for axis in axes for text in axis.texts]
    assert said == "nothing found for half\nof the images"


def test_the_ladders_panels_share_their_sizes_where_an_attack_ran_at_fewer():
    tables = synthetic_tables()
    ladder = tables["ladder"]
    fewer = (ladder["rung"] == "pgd_linf") & (ladder["size"] == ladder["size"].max())
    axes = draw("attack_ladder", {**tables, "ladder": ladder[~fewer]}).axes
    limits = {
        axis.get_xlim() for axis in axes if axis.get_xlabel() == style.LABELS["root_dimension"]
    }
    assert len(limits) == 1


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


def test_the_names_of_attacks_say_their_effort():
    titles = {axis.get_title() for axis in draw("attack_thresholds", synthetic_tables()).axes}
    assert "AutoAttack, $\\ell_\\infty$\n(5 steps)" in titles
    assert "FGSM, $\\ell_\\infty$" in titles
    ladder_titles = {axis.get_title() for axis in draw("attack_ladder", synthetic_tables()).axes}
    assert "AutoAttack, $\\ell_\\infty$\n(5 steps)" in ladder_titles
