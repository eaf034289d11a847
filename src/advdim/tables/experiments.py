"""Which cells of the table ``cells`` belong to an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def cells_of(cells: pd.DataFrame, *experiments: str) -> pd.DataFrame:
    """Return the cells of one or several experiments; a cell may be of many."""
    inside = cells["experiments"].map(lambda names: not set(experiments).isdisjoint(names))
    return cells[inside.astype(bool)]
