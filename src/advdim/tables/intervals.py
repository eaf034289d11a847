"""Student's interval of a mean, and of how many networks one is given."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import stdtrit

LEVEL = 0.95
FEWEST_NETWORKS = 3


def half_width(deviation: Any, count: Any) -> Any:
    """Return half of a mean's 95 % interval, from the values' standard deviation and number.

    Both are numbers, or Series of several means. Of a single value, whose deviation is NaN, it is
    NaN.
    """
    several = np.maximum(count, 2)
    return deviation * stdtrit(several - 1, (1 + LEVEL) / 2) / np.sqrt(several)
