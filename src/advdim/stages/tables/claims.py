"""The table of claims: the papers' sentences, judged on the other tables."""

from __future__ import annotations

from pathlib import Path

from advdim.claims import READ_TABLES
from advdim.claims.registry import CLAIMS
from advdim.claims.verdicts import claim_rows
from advdim.config import Config
from advdim.stages.tables import Inputs
from advdim.tables import read_parts, read_table, write_table


def judge_claims(config: Config, inputs: Inputs, table: str, output: str | Path) -> None:
    """Write the table ``claims``.

    Tables that the sweep does not make count as empty: their claims are undecided.
    """
    tables = {
        name: read_table(inputs[name][0]) if name in inputs else read_parts(name, ())
        for name in READ_TABLES
    }
    attacks = {name: settings.attacks for name, settings in config.experiments.items()}
    write_table(output, table, claim_rows(CLAIMS, tables, config.figures_by_experiment, attacks))
