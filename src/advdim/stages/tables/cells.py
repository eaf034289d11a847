"""The table of trained networks, from their records and epochs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from advdim.config import Config
from advdim.records import read_record
from advdim.results import all_results, is_older
from advdim.stages.tables import Inputs
from advdim.sweep import experiments_by_cell
from advdim.tables import read_table, write_table
from advdim.tables.cells import RUN_COLUMNS, summarise


def gather_cells(config: Config, inputs: Inputs, table: str, output: str | Path) -> None:
    """Write the table ``cells``: one row per cell, the files being in the order of the sweep."""
    write_table(output, table, _cell_rows(config, inputs["train_records"], inputs["train"]))


def _cell_rows(
    config: Config, run_files: Sequence[str | Path], epoch_files: Sequence[str | Path]
) -> Iterator[dict[str, Any]]:
    columns = {column.name for column in RUN_COLUMNS}
    experiments = experiments_by_cell(config)
    networks = (result for result in all_results(config) if result.stage == "train")
    for result, run_file, epochs in zip(networks, run_files, epoch_files, strict=True):
        run = read_record(run_file) or {"status": "failed", "error": f"no record {run_file}"}
        cell = result.cell
        yield {
            **cell.columns(),
            "experiments": experiments[cell],
            **{name: value for name, value in run.items() if name in columns},
            "older_code": "code_hash" in run and is_older(config, result, run),
            "dampening": config.networks[cell.network].dampening(cell.size),
            **summarise(read_table(epochs)),
        }
