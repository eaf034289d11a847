"""The stage that gathers the cells' files into the tables of the sweep."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from advdim.config import Config
from advdim.sandwich import assert_sandwich, summarise_bounds, with_attacks
from advdim.summaries import ladder, summarise_attack
from advdim.sweep import experiments_by_cell
from advdim.tables import (
    RUN_COLUMNS,
    read_parts,
    read_table,
    summarise,
    write_frames,
    write_table,
)

log = logging.getLogger(__name__)


def gather_cells(
    config: Config,
    run_files: Sequence[str | Path],
    epoch_files: Sequence[str | Path],
    output: str | Path,
) -> None:
    """Write the table ``cells``: one row per cell, the files being in the order of the sweep."""
    write_table(output, "cells", _cell_rows(config, run_files, epoch_files))


def _cell_rows(
    config: Config, run_files: Sequence[str | Path], epoch_files: Sequence[str | Path]
) -> Iterator[dict[str, Any]]:
    columns = {column.name for column in RUN_COLUMNS}
    cells = experiments_by_cell(config).items()
    for (cell, experiments), run_file, epochs in zip(cells, run_files, epoch_files, strict=True):
        run = json.loads(Path(run_file).read_text())
        yield {
            **cell.columns(),
            "experiments": experiments,
            **{name: value for name, value in run.items() if name in columns},
            "dampening": config.networks[cell.network].dampening(cell.size),
            **summarise(read_table(epochs)),
        }


def gather_attack_summaries(attack_files: Sequence[str | Path], output: str | Path) -> None:
    """Write the table ``attack_summaries``: one row per cell, attack and threshold."""
    rows = (row for file in attack_files for row in summarise_attack(read_table(file)))
    write_table(output, "attack_summaries", rows)


def write_ladder(cells_file: str | Path, summaries_file: str | Path, output: str | Path) -> None:
    """Write the table ``ladder``: gradient norm and attacks of rising strength, per cell."""
    write_table(output, "ladder", ladder(read_table(cells_file), read_table(summaries_file)))


def gather_bounds(
    config: Config,
    bound_files: Sequence[str | Path],
    attack_files: Sequence[str | Path],
    output: str | Path,
    summaries: str | Path,
) -> None:
    """Write the tables ``bounds``, with the best attack per sample, and ``bound_summaries``.

    An attack's file lies in the folder ``attacks`` beside its cell's file of bounds. Raises
    SandwichViolation, and writes nothing, where a sound bound exceeds a verified adversarial's
    norm.
    """
    attacks: dict[Path, list[str | Path]] = defaultdict(list)
    for file in attack_files:
        attacks[Path(file).parent.parent].append(file)
    summary_rows: list[dict[str, Any]] = []

    def cells() -> Iterator[pd.DataFrame]:
        for file in bound_files:
            found = read_parts("attacks", attacks[Path(file).parent])
            rows = with_attacks(read_table(file), found, config.bounds.largest_fgsm)
            assert_sandwich(rows)
            summary_rows.extend(summarise_bounds(rows))
            yield rows

    write_frames(output, "bounds", cells())
    write_table(summaries, "bound_summaries", summary_rows)
    published = [row for row in summary_rows if row["quantity"] == "published"]
    log.info(
        "sandwich: %d samples of %d cells, no sound bound above an attack, %d published ones",
        sum(row["samples"] for row in published),
        len(published),
        sum(row["violations"] for row in published),
    )
