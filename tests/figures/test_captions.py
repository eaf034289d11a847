import re

import pytest

from advdim.catalogue.figures import FIGURES


@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_has_a_caption_that_names_its_source(figure):
    assert re.search(r"(ICML 2019|NIPS 2017|preprint), .+", FIGURES[figure].caption)
