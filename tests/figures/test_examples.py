import pandas as pd

from .invented import draw, synthetic_tables


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
