import re

import pytest

from advdim.figures.captions import CAPTIONS
from advdim.figures.registry import FIGURES


@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_has_a_caption_that_names_its_source(figure):
    assert re.search(r"(ICML 2019|NIPS 2017|preprint), .+", CAPTIONS[figure])


def test_every_caption_is_of_a_figure():
    assert set(CAPTIONS) <= set(FIGURES)
