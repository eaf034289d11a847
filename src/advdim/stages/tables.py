"""The stage that gathers the cells' files into the tables of the sweep."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from advdim.config import Config
from advdim.stages.training import identity
from advdim.sweep import Cell, experiments_by_cell
from advdim.tables import RUN_COLUMNS, read_table, summarise, write_table


def gather_cells(config: Config, cells_folder: str | Path, output: str | Path) -> None:
    """Write the table ``cells``: one row per cell of the sweep."""
    write_table(output, "cells", _cell_rows(experiments_by_cell(config).items(), Path(cells_folder)))


def _cell_rows(
    cells: Iterable[tuple[Cell, list[str]]], folder: Path
) -> Iterator[dict[str, Any]]:
    for cell, experiments in cells:
        run = json.loads((folder / cell.directory / "run.json").read_text())
        names = {column.name for column in RUN_COLUMNS}
        yield {
            **identity(cell),
            "experiments": experiments,
            **{name: value for name, value in run.items() if name in names},
            **summarise(read_table(folder / cell.directory / "epochs.parquet")),
        }
