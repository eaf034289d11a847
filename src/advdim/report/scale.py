"""Where a claim's range, interval and estimate lie along its line of the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Half of a line is at least this many halves of a bounded range, so that there is an outside,
# and at most so many, so that the range stays visible.
NEAREST, FARTHEST = 1.5, 8.0
# Percent of a line to either side of its centre that values take.
HALF_LINE = 46.0


@dataclass(frozen=True)
class Stretch:
    """A piece of a line, in percent of its width."""

    start: float
    end: float

    @property
    def width(self) -> float:
        """Return its length."""
        return self.end - self.start


@dataclass(frozen=True)
class Scale:
    """A linear scale whose centre is that of the claimed range, or its only end.

    Attributes:
        centre: value in the middle of the line.
        reach: distance from it of the values at the line's ends; positive.
    """

    centre: float
    reach: float

    def position(self, value: float) -> float:
        """Return the place of a value in percent of the line, which it does not leave."""
        return 50 + HALF_LINE * max(-1.0, min(1.0, (value - self.centre) / self.reach))

    def beyond(self, value: float) -> bool:
        """Tell whether a value lies off the line, so that its place is only the nearest one."""
        return abs(value - self.centre) > self.reach * (1 + 1e-9)

    def stretch(self, low: float, high: float) -> Stretch | None:
        """Return an interval's place, None where there is no interval."""
        if not (math.isfinite(low) and math.isfinite(high)):
            return None
        return Stretch(self.position(low), self.position(high))

    def claimed(self, low: float, high: float) -> Stretch:
        """Return a range's place; without an end it goes on to the line's end."""
        start = self.position(low) if math.isfinite(low) else 0.0
        return Stretch(start, self.position(high) if math.isfinite(high) else 100.0)


def scale_of(low: float, high: float, *values: float) -> Scale:
    """Return the scale on which the claimed range and all values, where finite, can be seen."""
    ends = [end for end in (low, high) if math.isfinite(end)]
    centre = sum(ends) / len(ends) if ends else 0.0
    reach = max((abs(value - centre) for value in values if math.isfinite(value)), default=0.0)
    half = (high - low) / 2
    if math.isfinite(half):
        reach = min(max(reach, NEAREST * half), FARTHEST * half)
    return Scale(centre, reach or 1.0)
