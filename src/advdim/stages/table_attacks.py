"""The stages that summarise attacks: per threshold, and as a ladder of rising strength."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from advdim.summaries import ladder, summarise_attack
from advdim.tables import read_table, write_table


def gather_attack_summaries(attack_files: Sequence[str | Path], output: str | Path) -> None:
    """Write the table ``attack_summaries``: one row per cell, attack and threshold."""
    rows = (row for file in attack_files for row in summarise_attack(read_table(file)))
    write_table(output, "attack_summaries", rows)


def write_ladder(cells_file: str | Path, summaries_file: str | Path, output: str | Path) -> None:
    """Write the table ``ladder``: gradient norm and attacks of rising strength, per cell."""
    write_table(output, "ladder", ladder(read_table(cells_file), read_table(summaries_file)))
