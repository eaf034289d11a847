"""How much of a sweep's work is left, from what its finished results took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from advdim.config import Config
from advdim.planning.durations import Durations
from advdim.progress.standings import Standing
from advdim.results import Result

UNMADE = ("running", "stopped", "waiting")


@dataclass(frozen=True)
class Remaining:
    """The work that is left, in seconds of one worker.

    ``of`` has it by result: what runs, was stopped or waits. ``estimated`` counts those of a kind
    of which none is finished; None stands for those that there is nothing to tell by.
    """

    of: dict[Result, float | None]
    at_once: int
    estimated: int

    @property
    def work(self) -> float:
        """Seconds of one worker."""
        return sum(self._known())

    @property
    def wait(self) -> float:
        """Seconds until all is made by as many workers as now; no less than the longest takes."""
        return max(self.work / max(self.at_once, 1), max(self._known(), default=0.0))

    @property
    def unknown(self) -> int:
        """Number of results that there is nothing to tell by."""
        return sum(seconds is None for seconds in self.of.values())

    def _known(self) -> list[float]:
        return [seconds for seconds in self.of.values() if seconds is not None]


def remaining(config: Config, standings: Sequence[Standing]) -> Remaining:
    """Return the work that is left; what has failed is not counted."""
    durations = Durations(config, _finished(standings), _under_way(standings))
    unmade = [standing for standing in standings if standing.state in UNMADE]
    of = {standing.result: _left(durations, standing) for standing in unmade}
    return Remaining(
        of,
        at_once=sum(standing.state == "running" for standing in unmade),
        estimated=sum(
            of[standing.result] is not None and durations.measured(standing.result) is None
            for standing in unmade
        ),
    )


def _finished(standings: Sequence[Standing]) -> Iterator[tuple[Result, float]]:
    diverged = {s.result.cell for s in standings if s.state == "diverged"}
    for standing in standings:
        result = standing.result
        # What hangs on a network that has diverged is empty.
        empty = result.stage in {"attack", "bounds"} and result.cell in diverged
        if standing.state == "done" and standing.record is not None and not empty:
            yield result, standing.record["seconds"]


def _under_way(standings: Sequence[Standing]) -> Iterator[tuple[Result, float]]:
    """Yield trainings with the seconds that they would take at their present rate."""
    for standing in standings:
        training = standing.training
        if training and training.seconds:
            yield standing.result, training.seconds / training.done * training.epochs


def _left(durations: Durations, standing: Standing) -> float | None:
    whole, training = durations.expected(standing.result), standing.training
    if training and training.seconds:
        # its own rate: finished ones may have had another machine
        return training.seconds / training.done * (training.epochs - training.done)
    if whole is None:
        return None
    if training is not None:
        return whole * (1 - training.done / max(training.epochs, 1))
    return max(whole - standing.seconds, 0.0)
