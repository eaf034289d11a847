"""Tables that are their results' files, one after another."""

from __future__ import annotations

from pathlib import Path

from advdim.config import Config
from advdim.stages.tables import Inputs
from advdim.tables import gather


def gather_files(_config: Config, inputs: Inputs, table: str, output: str | Path) -> None:
    """Concatenate the files of the only stage that the table is made from."""
    (files,) = [files for name, files in inputs.items() if not name.endswith("_records")]
    gather(output, table, files)
