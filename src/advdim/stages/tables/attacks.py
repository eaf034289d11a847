"""Tables that summarise attacks: per threshold, and as a ladder of rising strength."""

from __future__ import annotations

from pathlib import Path

from advdim.config import Config
from advdim.stages.tables import Inputs
from advdim.tables import read_table, write_table
from advdim.tables.attack_summaries import ladder, summarise_attack


def summarise_attacks(_config: Config, inputs: Inputs, table: str, output: str | Path) -> None:
    """Write one row per cell, attack and threshold."""
    rows = (row for file in inputs["attack"] for row in summarise_attack(read_table(file)))
    write_table(output, table, rows)


def climb_ladder(_config: Config, inputs: Inputs, table: str, output: str | Path) -> None:
    """Write, per cell, the gradient norm and what attacks of rising strength make of it."""
    cells, summaries = (read_table(inputs[name][0]) for name in ("cells", "attack_summaries"))
    write_table(output, table, ladder(cells, summaries))
