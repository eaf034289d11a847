"""How long results take, from those that are finished."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property

from advdim.config import Config
from advdim.planning.costs import estimated_seconds
from advdim.results import Result


class Durations:
    """Seconds of one worker that results take, by their kind.

    Results of one kind differ in strength and seed alone. ``finished`` are results with their
    measured seconds; ``under_way`` stand in for kinds of which none is finished.
    """

    def __init__(
        self,
        config: Config,
        finished: Iterable[tuple[Result, float]],
        under_way: Iterable[tuple[Result, float]] = (),
    ) -> None:
        self._config = config
        self._measured = {**_by_kind(under_way), **_by_kind(finished)}
        self._estimates: dict[Result, float | None] = {}

    def measured(self, result: Result) -> float | None:
        """Return the mean seconds of the finished results of the same kind, None without any."""
        seconds = self._measured.get(result.kind)
        return sum(seconds) / len(seconds) if seconds else None

    def expected(self, result: Result) -> float | None:
        """Return the measured seconds, else the estimate from the settings, brought to scale.

        The scale is what finished results of the stage took in comparison with their estimates,
        else finished results of all stages. None: there is nothing to tell it by.
        """
        measured = self.measured(result)
        if measured is not None:
            return measured
        estimate = self._estimate(result.kind)
        if estimate is not None:
            return estimate * self._scales.get(result.stage, self._scales.get("all", 1.0))
        others = [
            seconds
            for other, times in self._measured.items()
            for seconds in times
            if other.stage == result.stage
        ]
        return sum(others) / len(others) if others else None

    @cached_property
    def _scales(self) -> dict[str, float]:
        """Measured seconds over estimated ones, by stage and of all."""
        measured: dict[str, float] = defaultdict(float)
        estimated: dict[str, float] = defaultdict(float)
        for result, times in self._measured.items():
            if (estimate := self._estimate(result)) is not None:
                for name in (result.stage, "all"):
                    measured[name] += sum(times)
                    estimated[name] += estimate * len(times)
        return {name: measured[name] / total for name, total in estimated.items() if total}

    def _estimate(self, result: Result) -> float | None:
        if result not in self._estimates:
            self._estimates[result] = estimated_seconds(self._config, result)
        return self._estimates[result]


def _by_kind(measured: Iterable[tuple[Result, float]]) -> dict[Result, list[float]]:
    found: dict[Result, list[float]] = defaultdict(list)
    for result, seconds in measured:
        found[result.kind].append(seconds)
    return found


def in_words(seconds: float) -> str:
    """Return a duration as a person says it: in seconds, minutes or hours."""
    if seconds < 120:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:,.1f} hours"
