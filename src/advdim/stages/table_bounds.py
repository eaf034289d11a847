"""The stage that sets the lower bounds of every cell against the attacks on it."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from advdim.config import Config
from advdim.sandwich import (
    assert_sandwich,
    certified_accuracies,
    summarise_bounds,
    with_attacks,
)
from advdim.tables import read_parts, read_table, write_frames, write_table

log = logging.getLogger(__name__)


def gather_bounds(
    config: Config,
    bound_files: Sequence[str | Path],
    attack_files: Sequence[str | Path],
    output: str | Path,
    summaries: str | Path,
    sandwich: str | Path,
) -> None:
    """Write the tables ``bounds``, with the best attack per sample, and what sums it up.

    ``summaries`` are the paper's statistics, ``sandwich`` accuracies at the attacks' thresholds.

    An attack's file lies in the folder ``attacks`` beside its cell's file of bounds. Raises
    SandwichViolation, and writes nothing, where a sound bound exceeds a verified adversarial's
    norm.
    """
    attacks: dict[Path, list[str | Path]] = defaultdict(list)
    for file in attack_files:
        attacks[Path(file).parent.parent].append(file)
    summary_rows: list[dict[str, Any]] = []
    sandwich_rows: list[dict[str, Any]] = []

    def cells() -> Iterator[pd.DataFrame]:
        for file in bound_files:
            found = read_parts("attacks", attacks[Path(file).parent])
            rows = with_attacks(read_table(file), found, config.bounds.largest_fgsm)
            assert_sandwich(rows)
            summary_rows.extend(summarise_bounds(rows))
            thresholds = found["thresholds"].iloc[0] if len(found) else ()
            sandwich_rows.extend(certified_accuracies(rows, thresholds))
            yield rows

    write_frames(output, "bounds", cells())
    write_table(summaries, "bound_summaries", summary_rows)
    write_table(sandwich, "sandwich", sandwich_rows)
    published = [row for row in summary_rows if row["quantity"] == "published"]
    log.info(
        "sandwich: %d samples of %d cells, no sound bound above an attack, %d published ones",
        sum(row["samples"] for row in published),
        len(published),
        sum(row["violations"] for row in published),
    )
