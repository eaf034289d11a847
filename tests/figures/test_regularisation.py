import numpy as np

from advdim.figures import style

from .invented import draw, synthetic_tables


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
