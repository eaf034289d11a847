"""The stage that gathers the cells' files into the tables of the sweep."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from advdim.config import Config
from advdim.sweep import experiments_by_cell
from advdim.tables import RUN_COLUMNS, read_table, summarise, write_table


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
            **summarise(read_table(epochs)),
        }
