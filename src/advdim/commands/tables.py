"""Look up the tables: what a row is, which columns there are, and in which file."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from advdim.commands.base import Command, wrapped
from advdim.config.explain import nearest

if TYPE_CHECKING:
    from advdim.tables.columns import Column

STATISTICS = ("_median", "_q10", "_q90")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", nargs="?", help="describe every column of this one")
    parser.add_argument(
        "--results", default="results", help="the sweep's folder; default: %(default)s"
    )


def _run(options: argparse.Namespace) -> None:
    from advdim.tables.registry import CONTENTS

    names = list(CONTENTS)
    if options.table is None:
        print("\n\n".join(_listed(name, options.results) for name in names))
        return
    if options.table not in names:
        raise ValueError(f"There is no table {options.table!r}; {nearest(options.table, names)}")
    print(_described(options.table, options.results))


def _listed(table: str, results: str) -> str:
    """Return a table's heading, and its columns with their units."""
    from advdim.tables.registry import TABLES

    columns = ", ".join(_short(TABLES[table]))
    return "\n".join([*_heading(table, results), *wrapped(columns, "  ")])


def _described(table: str, results: str) -> str:
    """Return a table's heading, and a paragraph per column with its unit, type and meaning."""
    from advdim.tables.registry import TABLES

    lines = _heading(table, results)
    for column in TABLES[table]:
        unit = f" [{column.unit}]" if column.unit else ""
        lines += ["", f"{column.name}{unit}, {column.type}"]
        lines += wrapped(column.meaning, "    ")
    return "\n".join(lines)


def _heading(table: str, results: str) -> list[str]:
    from advdim.tables.registry import CONTENTS

    row, content = CONTENTS[table]
    return [*wrapped(f"{table}: a row per {row}; {content}", ""), _file(table, results)]


def _file(table: str, results: str) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(results, "tables", f"{table}.parquet")
    try:
        return f"{path}, {pq.read_metadata(path).num_rows:,} rows"
    except FileNotFoundError:
        return f"{path}, not there yet"
    except (pa.ArrowException, OSError) as error:
        return f"{path}, cannot be read: {error}"


def _short(columns: Iterable[Column]) -> Iterator[str]:
    """Yield every column with its unit; the three statistics of a measure together."""
    for column in columns:
        name, unit = column.name, f" [{column.unit}]" if column.unit else ""
        if name.endswith(STATISTICS[1:]):
            continue
        if name.endswith(STATISTICS[0]):
            name = "/".join((name, *STATISTICS[1:]))
        yield f"{name}{unit}"


COMMAND = Command(
    "tables",
    "list the tables with their columns, units and files, or describe one table",
    "advdim tables cells",
    _run,
    _arguments,
)
