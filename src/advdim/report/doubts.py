"""What is not to be relied on: networks that ended badly, and results that are not there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from advdim.config import Config
from advdim.results import all_results, failed_itself, read_record


@dataclass(frozen=True)
class Failure:
    """A network, attack, bound or measurement at initialisation, how it ended, and why."""

    name: str
    status: str
    why: str


def failures_of(config: Config, cells: pd.DataFrame) -> list[Failure]:
    """Return what diverged or failed: networks by their table, everything else by its record."""
    return [*_networks(cells), *_others(config)]


def named(row: pd.Series) -> str:
    """Return a network's identity in words."""
    return (
        f"{row['network']} on {row['dataset']}, {row['size']} pixels, {row['method']} "
        f"{row['epsilon']:g}, seed {row['seed']}"
    )


def _networks(cells: pd.DataFrame) -> Iterator[Failure]:
    for _, row in cells[cells["status"] != "done"].iterrows():
        # Only a network that diverged has no error, which is null.
        why = row["error"] if isinstance(row["error"], str) else "its loss is not finite"
        yield Failure(named(row), row["status"], why)


def _others(config: Config) -> Iterator[Failure]:
    for result in all_results(config):
        record = None if result.stage == "train" else read_record(result.record(config))
        if record and failed_itself(record):
            name = f"{result.stage}: {result.name.replace('/', ', ')}"
            yield Failure(name, record["status"], record["error"])
