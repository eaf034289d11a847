"""What is not to be relied on: numbers with a flag, and results that are not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from advdim.config import Config
from advdim.measures.flags import SENTENCES
from advdim.records import failed_itself, read_record
from advdim.results import all_results


@dataclass(frozen=True)
class Failure:
    """A network, attack, bound or measurement at initialisation, how it ended, and why."""

    name: str
    status: str
    why: str


@dataclass(frozen=True)
class Flagged:
    """A flag, what it means, and the networks that carry it, each with who saw it."""

    flag: str
    sentence: str
    networks: Sequence[tuple[str, str]]


def flagged_of(tables: Mapping[str, pd.DataFrame]) -> list[Flagged]:
    """Return the flags that networks carry, in their declared order.

    The table ``cells`` has those of the measures, ``attack_summaries`` those of attacks.
    """
    seen: dict[tuple[str, str], dict[str, None]] = {}
    for table in ("cells", "attack_summaries"):
        rows = tables[table]
        for _, row in rows[has_flags(rows)].iterrows():
            for flag in row["flags"]:
                by = row["attack"] if table == "attack_summaries" else "the measures"
                seen.setdefault((flag, named(row)), {})[by] = None
    return [
        Flagged(flag, sentence, [(n, ", ".join(by)) for (f, n), by in seen.items() if f == flag])
        for flag, sentence in SENTENCES.items()
        if flag in {of for of, _ in seen}
    ]


def has_flags(rows: pd.DataFrame) -> pd.Series:
    """Tell of each row whether it carries a flag; a network that failed has null for them."""
    return (
        rows["flags"].map(lambda flags: hasattr(flags, "__len__") and len(flags) > 0).astype(bool)
    )


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
