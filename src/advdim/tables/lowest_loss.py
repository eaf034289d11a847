"""The epoch at which a network's loss was lowest, where early stopping would have stopped."""

from __future__ import annotations

import pandas as pd

from advdim.sweep import IDENTITY


def at_lowest_loss(rows: pd.DataFrame) -> pd.DataFrame:
    """Return, indexed by its identity, each network's first row of lowest loss; NaN is none."""
    known = rows.dropna(subset=["loss"])
    return known.loc[known.groupby(IDENTITY)["loss"].idxmin()].set_index(IDENTITY)
