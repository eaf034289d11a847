from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advdim.report.scale import FARTHEST, scale_of

NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))


@given(st.lists(NUMBERS, min_size=1, max_size=5), NUMBERS, st.floats(1e-3, 1e3))
def test_everything_is_on_the_line_in_its_order(values, low, width):
    high = low + width
    scale = scale_of(low, high, *values)
    ordered = sorted([low, high, *values])
    places = [scale.position(value) for value in ordered]
    assert places == sorted(places)
    assert places[0] >= 0
    assert places[-1] <= 100
    assert scale.position((low + high) / 2) == pytest.approx(50)


def test_a_bounded_range_keeps_its_proportions():
    scale = scale_of(0.4, 0.6, 0.45, 0.9)
    band = scale.claimed(0.4, 0.6)
    for value in (0.45, 0.6, 0.7, 0.9):
        share = (scale.position(value) - band.start) / band.width
        assert share == pytest.approx((value - 0.4) / 0.2)
        assert not scale.beyond(value)


def test_a_range_stays_visible_and_what_is_far_off_is_said_to_be_beyond():
    scale = scale_of(-0.1, 0.1, 5.0)
    assert scale.beyond(5.0)
    assert scale.position(5.0) == scale.position(7.0) == 96
    assert scale.claimed(-0.1, 0.1).width == pytest.approx(92 / FARTHEST)
    assert not scale.beyond(0.1 * FARTHEST)


@pytest.mark.parametrize(("low", "high"), [(-math.inf, 0.03), (0.03, math.inf)])
def test_a_range_without_an_end_takes_half_of_the_line(low, high):
    scale = scale_of(low, high, 0.5, -0.1)
    band = scale.claimed(low, high)
    assert (band.start, band.end) == ((0, 50) if low < 0 else (50, 100))
    assert scale.position(0.5) == pytest.approx(96)


def test_without_values_there_is_a_line_all_the_same():
    for low, high in ((0.0, 1.0), (0.0, math.inf), (-math.inf, 0.0)):
        scale = scale_of(low, high, math.nan)
        assert scale.stretch(math.nan, math.nan) is None
        assert scale.claimed(low, high).width > 0
