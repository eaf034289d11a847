"""The stage that judges the papers' claims on the tables of the sweep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from advdim.claims import READ_TABLES
from advdim.claims.base import claim_rows
from advdim.claims.registry import CLAIMS
from advdim.config import Config
from advdim.tables import TABLES, read_table, write_table


def judge_claims(config: Config, table_files: Mapping[str, str | Path], output: str | Path) -> None:
    """Write the table ``claims``.

    Tables that the sweep does not make count as empty: their claims are undecided.
    """
    tables = {
        name: read_table(table_files[name]) if name in table_files else _empty(name)
        for name in READ_TABLES
    }
    figures = {name: settings.figures for name, settings in config.experiments.items()}
    figures |= {name: settings.figures for name, settings in config.initialisation.items()}
    write_table(output, "claims", claim_rows(CLAIMS, tables, figures))


def _empty(table: str) -> pd.DataFrame:
    return pd.DataFrame({column.name: [] for column in TABLES[table]})
