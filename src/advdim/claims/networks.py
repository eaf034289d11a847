"""From rows to networks: what is drawn again when an experiment is, and what only one run shows."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from advdim.claims.intervals import Estimate, Values, as_array, interval, spread_over_networks
from advdim.sweep import IDENTITY
from advdim.tables.intervals import FEWEST_NETWORKS

# All of a network's identity but what draws it.
SETTING = [name for name in IDENTITY if name != "seed"]
# The papers' error bars.
EPOCH_PERCENTILES = (10, 90)


def over_epochs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the medians over epochs of each network, as ICML 2019, Section 4.2, has them.

    A measure that is NaN in one of the epochs has none, as in the table ``cells``.
    """
    if "epoch" not in rows:
        return rows
    keys = [name for name in (*IDENTITY, "curve") if name in rows]
    medians = rows.groupby(keys).median(numeric_only=True)
    unknown = rows[medians.columns].isna().groupby([rows[key] for key in keys]).any()
    return medians.mask(unknown).reset_index()


def stratify(networks: pd.DataFrame) -> list[list[np.ndarray]]:
    """Return, per setting (all of a cell's identity but its seed), each network's row numbers."""
    setting = [name for name in SETTING if name in networks]
    owners = networks.groupby([*setting, "seed"], sort=False).ngroup().to_numpy()
    strata = map(np.asarray, networks.groupby(setting, sort=False).indices.values())
    return [[rows[owners[rows] == owner] for owner in np.unique(owners[rows])] for rows in strata]


def interval_over_networks(
    networks: pd.DataFrame, estimate: Callable[[pd.DataFrame], float]
) -> tuple[float, float]:
    """Return the 95 % interval of a statistic of some networks, one row each.

    It is NaN where a setting has too few networks, or they do not determine the statistic.
    """
    networks = networks.reset_index(drop=True)
    strata = stratify(networks)
    if min(map(len, strata)) < FEWEST_NETWORKS or not math.isfinite(estimate(networks)):
        return math.nan, math.nan
    return interval(spread_over_networks(networks, estimate, strata))


def well_sampled(table: pd.DataFrame, fewest: int) -> tuple[pd.DataFrame, int]:
    """Return the rows of settings with so many networks, and the number of the other settings."""
    setting = [name for name in SETTING if name in table]
    networks = table.groupby(setting)["seed"].nunique()
    counts = table.groupby(setting)["seed"].transform("nunique")
    return table[counts >= fewest], int((networks < fewest).sum())


def combined(parts: Values, extreme: str) -> float:
    """Return the statistic: the extreme part where there are several."""
    values = as_array(parts)
    if not len(values):
        return math.nan
    return float(np.min(values) if extreme == "smallest" else np.max(values))


def epoch_spread(rows: pd.DataFrame, estimate: Estimate, extreme: str) -> tuple[float, float]:
    """Return the 10th and 90th percentile of the statistic over the epochs of the rows, or NaN.

    It says how much one run's training fluctuates, nothing on what another run would give.
    """
    if "epoch" not in rows:
        return math.nan, math.nan
    # Counted from the end: networks may be trained for different numbers of epochs.
    keys = [name for name in (*IDENTITY, "curve", "split") if name in rows]
    from_the_end = rows.groupby(keys)["epoch"].rank("dense", ascending=False)
    values = [combined(estimate(part), extreme) for _, part in rows.groupby(from_the_end)]
    known = [value for value in values if math.isfinite(value)]
    if len(known) < 2:
        return math.nan, math.nan
    low, high = np.percentile(known, EPOCH_PERCENTILES)
    return float(low), float(high)
