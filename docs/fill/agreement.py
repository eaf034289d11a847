"""Whether a published run is in itself what it says: its tables, its records, its sweep."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
from docs.fill.published import Published

from advdim.records import Record, read_record, same_inputs
from advdim.results import Result, all_results, inputs_of, of_other_settings
from advdim.stages.tables import RECIPES, make_table, results_for, tables_made
from advdim.tables import read_table


def disagreements(run: Published) -> list[str]:
    """Return one sentence per result or table that is newer or older than another says."""
    results = {r: read_record(r.record(run.config)) for r in all_results(run.config)}
    return [
        *_unplanned(run, results),
        *(said for result, record in results.items() for said in _stale(run, result, record)),
        *_tables(run, results),
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


def _tables(run: Published, results: Iterable[Result]) -> Iterator[str]:
    """Compare each table with what its function makes of what is here."""
    by_stage = defaultdict(list)
    for result in results:
        by_stage[result.stage].append(result)
    made = tables_made(by_stage.__getitem__)
    files = {name: run.results / "tables" / f"{name}.parquet" for name in made}
    there = {path.stem for path in (run.results / "tables").glob("*.parquet")}
    yield from (f"The table {name!r} is of nothing here." for name in there - {*made, "examples"})
    with tempfile.TemporaryDirectory() as folder:
        for name in made:
            inputs = {table: [files[table]] for table in RECIPES[name].tables if table in there}
            for stage, parts in results_for(name, by_stage.__getitem__).items():
                found = [part.files(run.config) for part in parts]
                inputs[stage] = [paths[RECIPES[name].results[stage]] for paths in found]
                inputs[f"{stage}_records"] = [paths["record"] for paths in found]
            again = Path(folder, f"{name}.parquet")
            make_table(run.config, name, inputs, again)
            if difference := _difference(run.table(name), read_table(again)):
                yield f"The table {name!r} is not what its files give: {difference}."


def _difference(table: pd.DataFrame, again: pd.DataFrame) -> str:
    """Say where two tables differ; whether the code has changed depends on when one was made."""
    table, again = (rows.drop(columns="older_code", errors="ignore") for rows in (table, again))
    try:
        pd.testing.assert_frame_equal(table, again, rtol=1e-6, atol=1e-9)
    except AssertionError as error:
        return " ".join(str(error).split())
    return ""
