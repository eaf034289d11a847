"""Whether a published run is in itself what it says: its tables, its records, its sweep."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from docs.fill.published import Published

from advdim.claims import READ_TABLES
from advdim.records import Record, read_record, same_inputs
from advdim.results import Result, all_results, inputs_of, of_other_settings
from advdim.stages.tables.claims import judge_claims
from advdim.sweep import IDENTITY
from advdim.tables import MEASURE_COLUMNS, read_parts, read_table

RECORDED = ("status", "seconds", "device", "precision", "commit", "code_hash", "config_hash")
MEASURES = [column.name for column in MEASURE_COLUMNS]


def disagreements(run: Published) -> list[str]:
    """Return one sentence per result or table that is newer or older than another says."""
    results = {r: read_record(r.record(run.config)) for r in all_results(run.config)}
    return [
        *_unplanned(run, results),
        *(said for result, record in results.items() for said in _stale(run, result, record)),
        *_cells(run, {r: record for r, record in results.items() if r.stage == "train"}),
        *_epochs(run, [r for r in results if r.stage == "train"]),
        *_rows(run, results),
        *_others(run, results),
        *_claims(run),
    ]


def _unplanned(run: Published, results: dict[Result, Record | None]) -> Iterator[str]:
    others = of_other_settings(run.config)
    for result in others:
        yield f"{result.stage} {result.name} was made with other settings than the sweep's."
    planned = {result.record(run.config) for result in (*results, *others)}
    for path in sorted(run.results.glob("cells/**/*.json")):
        if path not in planned:
            yield f"{path.relative_to(run.results)} is of no result of the sweep."


def _stale(run: Published, result: Result, record: Record | None) -> Iterator[str]:
    if record is None:
        yield f"The record of {result.name} cannot be read."
        return
    if result.stage != "pixels" and not same_inputs(record, inputs_of(run.config, result)):
        yield f"{result.stage} {result.name} was made from something else than what is here."


def _cells(run: Published, records: dict[Result, Record | None]) -> Iterator[str]:
    """Compare the table of networks with their records, row by row."""
    rows = run.table("cells").set_index(IDENTITY)
    for result, record in records.items():
        key = tuple(result.cell.columns().values())
        if key not in rows.index:
            yield f"{result.name} is not in the table 'cells'."
        elif record is not None:
            row = rows.loc[[key]].iloc[0]
            for name in RECORDED:
                if name in record and not _same(record[name], row[name]):
                    yield (
                        f"{result.name}: the table 'cells' has {name} {row[name]!r}, the record "
                        f"{record[name]!r}."
                    )
    if len(rows) > len(records):
        yield f"The table 'cells' has {len(rows)} networks, of which {len(records)} are here."


def _same(recorded: Any, tabled: Any) -> bool:
    """Tell whether two values are equal, or both missing (null in a record, NaN in a table)."""
    return recorded == tabled or bool(pd.isna(recorded) and pd.isna(tabled))


def _rows(run: Published, results: Iterable[Result]) -> Iterator[str]:
    """Compare how many rows the tables have with how many their files have."""
    for stage, table in (("train", "samples"), ("attack", "attacks")):
        files = [r.files(run.config)[table] for r in results if r.stage == stage]
        path = run.results / "tables" / f"{table}.parquet"
        expected = sum(pq.read_metadata(file).num_rows for file in files)
        found = pq.read_metadata(path).num_rows if path.exists() else 0
        if found != expected:
            yield f"The table {table!r} has {found} rows, its files have {expected}."


def _epochs(run: Published, networks: list[Result]) -> Iterator[str]:
    """Compare the measures' table with their files, and the networks' summaries with it."""
    files = [result.files(run.config)["epochs"] for result in networks]
    epochs = run.table("epochs")
    if not read_parts("epochs", files).equals(epochs) and (files or len(epochs)):
        yield "The table 'epochs' is not what the networks' files hold."
    summaries = run.table("cells").set_index(IDENTITY)[[f"{name}_median" for name in MEASURES]]
    rows = epochs[epochs["summarised"].astype(bool) & (epochs["split"] == "test")]
    medians = rows.groupby(IDENTITY)[MEASURES].median().reindex(summaries.index)
    if not np.allclose(medians.to_numpy(float), summaries.to_numpy(float), equal_nan=True):
        yield "The table 'cells' does not summarise the table 'epochs'."


def _others(run: Published, results: dict[Result, Record | None]) -> Iterator[str]:
    """Compare which attacks and bounds the tables hold with which are done."""
    for stage, table, keys in (
        ("attack", "attack_summaries", [*IDENTITY, "attack"]),
        ("bounds", "bounds", IDENTITY),
    ):
        rows = run.table(table)[keys].drop_duplicates()
        there = set(rows.itertuples(index=False, name=None))
        done = {
            tuple({**result.wildcards, **result.cell.columns()}.values()): result.name
            for result, record in results.items()
            if result.stage == stage and record is not None and record["status"] == "done"
        }
        for key in done.keys() ^ there:
            where = "not in" if key in done else "only in"
            yield f"{done.get(key, key)} is {where} the table {table!r}."


def _claims(run: Published) -> Iterator[str]:
    """Judge the claims again."""
    paths = {name: run.results / "tables" / f"{name}.parquet" for name in READ_TABLES}
    inputs = {name: [path] for name, path in paths.items() if path.exists()}
    if not inputs:
        return
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder, "claims.parquet")
        judge_claims(run.config, inputs, "claims", again)
        expected = read_table(again)
    try:
        pd.testing.assert_frame_equal(run.table("claims"), expected, rtol=1e-6, atol=1e-9)
    except AssertionError as error:
        yield f"The table 'claims' is not what the other tables give: {error}."
