"""Tables that set the lower bounds of every cell against the attacks on it."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from advdim.config import Config
from advdim.stages.tables import Inputs
from advdim.sweep import IDENTITY
from advdim.tables import read_parts, read_table, write_frames, write_table
from advdim.tables.bounds_beside_attacks import (
    assert_sandwich,
    certified_accuracies,
    summarise_bounds,
    with_attacks,
)

log = logging.getLogger(__name__)


def set_against_attacks(config: Config, inputs: Inputs, table: str, output: str | Path) -> None:
    """Write the bounds with the best attack per sample.

    An attack's file lies in the folder ``attacks`` beside its cell's file of bounds. Raises
    BoundViolation, and writes nothing, where a sound bound exceeds a verified adversarial's
    norm.
    """
    attacks: dict[Path, list[str | Path]] = defaultdict(list)
    for file in inputs.get("attack", ()):
        attacks[Path(file).parent.parent].append(file)

    def cells() -> Iterator[pd.DataFrame]:
        for file in inputs["bounds"]:
            found = read_parts("attacks", attacks[Path(file).parent])
            rows = with_attacks(read_table(file), found, config.bounds.largest_fgsm)
            assert_sandwich(rows)
            yield rows

    write_frames(output, table, cells())


def summarise(_config: Config, inputs: Inputs, table: str, output: str | Path) -> None:
    """Write the paper's statistics of every cell's bounds and smallest adversarials."""
    rows = [row for cell in _by_cell(inputs) for row in summarise_bounds(cell)]
    write_table(output, table, rows)
    published = [row for row in rows if row["quantity"] == "published"]
    log.info(
        "sandwich: %d samples of %d cells, no sound bound above an attack, %d published ones",
        sum(row["samples"] for row in published),
        len(published),
        sum(row["violations"] for row in published),
    )


def certify(_config: Config, inputs: Inputs, table: str, output: str | Path) -> None:
    """Write the accuracy that bounds certify, and attacks leave, at every attack's threshold."""
    thresholds: dict[tuple[Any, ...], set[float]] = defaultdict(set)
    for file in inputs.get("attack_summaries", ()):
        for values in read_table(file)[[*IDENTITY, "threshold"]].itertuples(index=False):
            thresholds[tuple(values[:-1])].add(values[-1])
    cells = ((tuple(cell[IDENTITY].iloc[0]), cell) for cell in _by_cell(inputs))
    rows = (row for name, cell in cells for row in certified_accuracies(cell, [*thresholds[name]]))
    write_table(output, table, rows)


def _by_cell(inputs: Inputs) -> Iterator[pd.DataFrame]:
    """Yield the rows of the table ``bounds`` cell by cell."""
    yield from (rows for _, rows in read_table(inputs["bounds"][0]).groupby(IDENTITY, sort=False))
