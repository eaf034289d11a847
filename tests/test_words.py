from __future__ import annotations

import pytest

from advdim.words import counted


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 cells"), (1, "1 cell"), (2, "2 cells"), (1200, "1,200 cells")]
)
def test_only_one_is_singular(number, said):
    assert counted(number, "cell") == said
