"""The published run as its tables tell of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from advdim.config import Config, load
from advdim.tables import cells_of, read_parts


@dataclass(frozen=True)
class Published:
    """A run: the sweep that it is of."""

    config: Config

    @classmethod
    def of(cls, sweep: Path, root: Path) -> Published:
        """Read a sweep's file; its results lie below ``root``, its images may be missing."""
        raw = yaml.safe_load(sweep.read_text())
        results = str(root / raw.get("results", "results"))
        return cls(load({**raw, "results": results, "only_finished": True}))

    @property
    def results(self) -> Path:
        """The folder of all results."""
        return Path(self.config.results)

    def table(self, name: str) -> pd.DataFrame:
        """Return a table; without rows where the run has not made it."""
        path = self.results / "tables" / f"{name}.parquet"
        return read_parts(name, [path] if path.exists() else [])

    def cells(self, *experiments: str) -> pd.DataFrame:
        """Return the finished networks of some experiments, of all without a name."""
        cells = self.table("cells")
        used = cells_of(cells, *(experiments or self.config.experiments))
        return used[used["status"] == "done"]


def lines_of(table: pd.DataFrame) -> Iterator[Any]:
    """Yield each row, whose columns are attributes of the types that the table declares."""
    yield from table.itertuples()


def number(value: float) -> str:
    """Return a number as pages have it: three digits, without the 0 before the point."""
    if pd.isna(value):
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:#.3g}" if 0.001 <= abs(value) < 100 else f"{value:.3g}"
    return text.replace("-0.", "-.") if value < 0 else text.removeprefix("0") or "0"


def interval(estimate: float, low: float, high: float) -> str:
    """Return an estimate with its interval, where it has one."""
    if pd.isna(low) or pd.isna(high):
        return number(estimate)
    return f"{number(estimate)} [{number(low)}, {number(high)}]"


def spread(values: pd.Series) -> str:
    """Return the mean of some networks' values, with smallest and largest where they differ."""
    known = values.dropna()
    if known.empty:
        return "-"
    if known.min() == known.max():
        return number(known.iloc[0])
    return f"{number(known.mean())} ({number(known.min())} to {number(known.max())})"


def markdown(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table of a page; a bar inside a cell does not end it."""
    lines = [columns, ["---"] * len(columns), *rows]
    escaped = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)
