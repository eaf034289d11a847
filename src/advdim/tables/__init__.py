"""The tables: one declared schema each, with unit and meaning, and their Parquet files.

Column names are declared here and nowhere else. Fractions are in [0, 1]; gradient norms are in
nats per normalised unit.
"""

from advdim.tables.cells import MEASURE_COLUMNS, RUN_COLUMNS, SUMMARY_NAMES, summarise
from advdim.tables.columns import IDENTITY_COLUMNS
from advdim.tables.derived import cells_of
from advdim.tables.parquet import gather, read_parts, read_table, write_frames, write_table
from advdim.tables.registry import TABLES, schema

__all__ = [
    "IDENTITY_COLUMNS",
    "MEASURE_COLUMNS",
    "RUN_COLUMNS",
    "SUMMARY_NAMES",
    "TABLES",
    "cells_of",
    "gather",
    "read_parts",
    "read_table",
    "schema",
    "summarise",
    "write_frames",
    "write_table",
]
