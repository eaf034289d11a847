"""What it takes to start a sweep's jobs, each of which is a process that loads its libraries."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping

from advdim.config import Config
from advdim.results import Result
from advdim.sweep import example_cells

# Processor seconds of a job that has next to nothing to compute, by stage: medians over the 40 jobs
# of the tests' sweep of digits (SMALL in tests/conftest.py), on an AMD EPYC of two cores, both in
# use, with Python 3.11 and torch 2.13.
SECONDS_TO_START = {
    "pixels": 4.7,
    "train": 3.0,
    "attack": 4.4,
    "bounds": 5.3,
    "initialisation": 3.6,
    "examples": 3.5,
    "table": 1.2,
    "figure": 3.5,
    "report": 2.6,
}
# Tables that are made of a stage's results, or of tables of these.
TABLES_OF = {"train": 3, "attack": 3, "bounds": 3, "initialisation": 1}


def jobs_of(config: Config, waiting: Iterable[Result]) -> Counter[str]:
    """Count, by stage, the jobs of results that wait, and of what is made from them in the end."""
    jobs = Counter(result.stage for result in waiting)
    # Pixels are made only where something is made of them.
    if set(jobs) <= {"pixels"}:
        return Counter()
    jobs["table"] = 1 + sum(count for stage, count in TABLES_OF.items() if jobs[stage])
    jobs["figure"] = sum(map(len, config.figures_by_experiment.values()))
    jobs["examples"] = int(bool(jobs["train"] and example_cells(config)))
    jobs["report"] = 1
    return jobs


def starting_seconds(jobs: Mapping[str, int]) -> float:
    """Return the seconds of one worker that go into the starts of so many jobs of each stage."""
    return sum(SECONDS_TO_START[stage] * count for stage, count in jobs.items())


def jobs_at_once(config: Config) -> int:
    """Return how many networks are trained at once here, where a run may use all processors."""
    return max(1, processors() // config.threads)


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
