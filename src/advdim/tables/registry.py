"""Every table's columns by its name."""

from __future__ import annotations

import pyarrow as pa

from advdim.tables.attacks import (
    ATTACK_COLUMNS,
    ATTACK_SUMMARY_COLUMNS,
    ATTACKED_COLUMNS,
    EXAMPLE_COLUMNS,
    LADDER_COLUMNS,
)
from advdim.tables.bounds import BOUND_COLUMNS, BOUND_SUMMARY_COLUMNS, SANDWICH_COLUMNS
from advdim.tables.cells import EPOCH_COLUMNS, RUN_COLUMNS, SAMPLE_COLUMNS, SUMMARY_COLUMNS
from advdim.tables.claims import CLAIM_COLUMNS
from advdim.tables.columns import IDENTITY_COLUMNS, Column
from advdim.tables.initialisation import INITIALISATION_COLUMNS

TABLES: dict[str, tuple[Column, ...]] = {
    "epochs": (*IDENTITY_COLUMNS, *EPOCH_COLUMNS),
    "cells": (*IDENTITY_COLUMNS, *RUN_COLUMNS, *SUMMARY_COLUMNS),
    "samples": (*IDENTITY_COLUMNS, *SAMPLE_COLUMNS),
    "attacks": (*IDENTITY_COLUMNS, *ATTACK_COLUMNS, *ATTACKED_COLUMNS),
    "attack_summaries": (*IDENTITY_COLUMNS, *ATTACK_COLUMNS, *ATTACK_SUMMARY_COLUMNS),
    "ladder": (*IDENTITY_COLUMNS, *LADDER_COLUMNS),
    "examples": (*IDENTITY_COLUMNS, *EXAMPLE_COLUMNS),
    "claims": CLAIM_COLUMNS,
    "bounds": (*IDENTITY_COLUMNS, *BOUND_COLUMNS),
    "bound_summaries": (*IDENTITY_COLUMNS, *BOUND_SUMMARY_COLUMNS),
    "sandwich": (*IDENTITY_COLUMNS, *SANDWICH_COLUMNS),
    "initialisation": INITIALISATION_COLUMNS,
}


def schema(table: str) -> pa.Schema:
    """Return the declared Arrow schema of a table."""
    return pa.schema([column.field() for column in TABLES[table]])
