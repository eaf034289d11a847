"""Tables as Parquet files under their declared schemas: written, gathered, read."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from advdim.files import atomic
from advdim.tables.registry import schema

if TYPE_CHECKING:
    import pandas as pd

# Of those that are written as Python objects.
ROWS_IN_MEMORY = 2_000


class DamagedTableError(ValueError):
    """A file of a table is not whole; the message names it."""


def write_table(path: str | Path, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows atomically under the declared schema; unknown columns are an error.

    Rows may come from a generator: only some thousand are in memory at a time.
    """
    declared, waiting = schema(table), iter(rows)
    with (
        atomic(path) as temporary,
        pq.ParquetWriter(temporary, declared, compression="zstd") as writer,
    ):
        while chunk := list(itertools.islice(waiting, ROWS_IN_MEMORY)):
            unknown = {name for row in chunk for name in row} - set(declared.names)
            if unknown:
                raise ValueError(f"Table {table!r} has no column {sorted(unknown)[0]!r}.")
            writer.write_table(pa.Table.from_pylist(chunk, schema=declared))


def gather(output: str | Path, table: str, parts: Iterable[str | Path]) -> None:
    """Concatenate per-cell files into one table, one file in memory at a time."""
    declared = schema(table)
    with (
        atomic(output) as temporary,
        pq.ParquetWriter(temporary, declared, compression="zstd") as writer,
    ):
        for batch in _batched((_read(part, declared) for part in parts), rows=100_000):
            writer.write_table(batch)


def write_frames(path: str | Path, table: str, frames: Iterable[pd.DataFrame]) -> None:
    """Write data frames one after another, atomically, under the declared schema."""
    declared = schema(table)
    with (
        atomic(path) as temporary,
        pq.ParquetWriter(temporary, declared, compression="zstd") as writer,
    ):
        for frame in frames:
            writer.write_table(pa.Table.from_pandas(frame, declared, preserve_index=False))


def _read(path: str | Path, declared: pa.Schema) -> pa.Table:
    return _whole(path).select(declared.names).cast(declared)


def _whole(path: str | Path) -> pa.Table:
    """Read a file as it is: its folder's key=value parts are columns in it already."""
    try:
        with pq.ParquetFile(path) as file:
            return file.read()
    except pa.ArrowInvalid as error:
        raise DamagedTableError(
            f"Table {str(path)!r} cannot be read ({error}); delete it and run again."
        ) from error


def _batched(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Join small tables so that a sweep of thousands does not make thousands of row groups."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(t.num_rows for t in waiting) >= rows:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def read_table(path: str | Path) -> pd.DataFrame:
    """Read one of the tables as a data frame."""
    return _whole(path).to_pandas()


def read_parts(table: str, paths: Iterable[str | Path]) -> pd.DataFrame:
    """Read files of one table, perhaps none, as one data frame."""
    declared = schema(table)
    parts = [_read(path, declared) for path in paths]
    return pa.concat_tables([declared.empty_table(), *parts]).to_pandas()
