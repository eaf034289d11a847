"""The answer: what grows from the smallest to the largest input, and by how much."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from advdim.claims.needs import EVERYTHING, NOTHING
from advdim.claims.networks import interval_over_networks, over_epochs, stratify
from advdim.claims.rows import last_epochs
from advdim.report.doubts import has_flags
from advdim.tables import cells_of
from advdim.tables.intervals import FEWEST_NETWORKS

KEY_FIGURE = "input_dimension"
GRADIENT_NORM = "grad_l1_untied"


@dataclass(frozen=True)
class Change:
    """A measure at the smallest and at the largest size: means over networks.

    Attributes:
        smallest, largest: in the units of the table ``epochs``.
        change: their ratio, or their difference.
        low, high: its 95 % interval over networks; NaN where too few networks allow none.
        trend: ``grows`` or ``falls`` where the interval says so, ``neither`` where it leaves both
            open, empty without an interval.
    """

    smallest: float
    largest: float
    change: float
    low: float
    high: float
    trend: str


@dataclass(frozen=True)
class Growth:
    """What changes from the smallest to the largest size, with one way of training.

    Attributes:
        network, method, epsilon: the architecture and its training; ``none`` without a method.
        sizes: smallest and largest edge in pixels; equal where the run has only one.
        root_dimension: by which factor the square root of the dimension grows between them.
        threshold: of the test attack, normalised units.
        networks: how many there are of one size, the fewest.
        missing: networks of these sizes, or beyond them, that diverged or failed.
        flagged: networks of these sizes whose numbers carry a flag.
        gradient_norm: E||dL/dx||_1, ties broken; its change is a factor.
        vulnerability: as a fraction; its change is a difference.
        accuracy: as a fraction, likewise.
        saturated: the attack changes next to nothing or nearly everything at both sizes.
    """

    network: str
    method: str
    epsilon: float
    sizes: tuple[int, int]
    root_dimension: float
    threshold: float
    networks: int
    missing: int
    flagged: int
    gradient_norm: Change
    vulnerability: Change
    accuracy: Change
    saturated: bool

    @property
    def has_interval(self) -> bool:
        """Tell whether there are networks enough for one."""
        return self.networks >= FEWEST_NETWORKS


def growths(tables: Mapping[str, pd.DataFrame], experiment: str) -> list[Growth]:
    """Return, per architecture, the growth without a method, then with each at its strongest.

    Where that is there at one size only, the growth at the strongest of several sizes comes first.
    """
    rows = over_epochs(last_epochs(tables, experiment))
    return [
        _growth(of_training, tables["cells"], experiment)
        for _, of_network in rows.groupby("network", sort=False)
        for of_training in _trainings(of_network)
    ]


@dataclass(frozen=True)
class Lost:
    """A training, without a method or stronger than what the answer is about, that none survived.

    Attributes:
        network, method, epsilon: the architecture and its training; ``none`` without a method.
        networks: how many diverged or failed.
    """

    network: str
    method: str
    epsilon: float
    networks: int


def lost(tables: Mapping[str, pd.DataFrame], experiment: str) -> list[Lost]:
    """Return the trainings that the answer would be about if a network had come to its end."""
    cells = cells_of(tables["cells"], experiment)
    found = []
    for (network, method), trained in cells.groupby(["network", "method"], sort=False):
        finished = trained.loc[trained["status"] == "done", "epsilon"]
        beyond = trained[trained["epsilon"] > finished.max()] if len(finished) else trained
        found += [
            Lost(str(network), str(method), epsilon, int((beyond["epsilon"] == epsilon).sum()))
            for epsilon in sorted(map(float, beyond["epsilon"].unique()))
        ]
    return found


def ratio(rows: pd.DataFrame, measure: str) -> float:
    """Return the logarithm of the mean measure at the largest over that at the smallest size."""
    means = _means(rows, measure)
    return float(np.log(means[-1] / means[0])) if (means > 0).all() else math.nan


def difference(rows: pd.DataFrame, measure: str) -> float:
    """Return the mean measure at the largest size less that at the smallest."""
    means = _means(rows, measure)
    return float(means[-1] - means[0])


def _trainings(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield the rows without a method, then those of each method's largest strength.

    Where that is there at one size, as under way, the largest of several sizes comes before it.
    """
    plain = rows[rows["method"] == "none"]
    trained = rows[rows["method"] != "none"]
    for of_method in (plain, *(group for _, group in trained.groupby("method", sort=False))):
        sizes = of_method.groupby("epsilon")["size"].nunique()
        for epsilon in sorted({*sizes.index[-1:], *sizes.index[sizes > 1][-1:]}):
            chosen = of_method[of_method["epsilon"] == epsilon]
            yield chosen[chosen["size"].isin([chosen["size"].min(), chosen["size"].max()])]


def _growth(rows: pd.DataFrame, cells: pd.DataFrame, experiment: str) -> Growth:
    first = rows.iloc[0]
    sizes, dimensions = sorted(rows["size"].unique()), sorted(rows["dimension"].unique())
    cells = cells_of(cells, experiment)
    # Where all networks of an end failed, the end is another, and they are missing all the same.
    same = (cells["size"] <= sizes[0]) | (cells["size"] >= sizes[-1])
    for name in ("dataset", "network", "method", "epsilon"):
        same &= cells[name] == first[name]
    share = rows["vulnerability"].mean()
    return Growth(
        network=str(first["network"]),
        method=str(first["method"]),
        epsilon=float(first["epsilon"]),
        sizes=(int(sizes[0]), int(sizes[-1])),
        root_dimension=math.sqrt(dimensions[-1] / dimensions[0]),
        threshold=float(first["attack_threshold"]),
        networks=min(map(len, stratify(rows.reset_index(drop=True)))),
        missing=int((same & (cells["status"] != "done")).sum()),
        flagged=int((same & has_flags(cells)).sum()),
        gradient_norm=_change(rows, GRADIENT_NORM, ratio, math.exp, none=1.0),
        vulnerability=_change(rows, "vulnerability", difference, float, none=0.0),
        accuracy=_change(rows, "accuracy", difference, float, none=0.0),
        saturated=bool(share < NOTHING or share > EVERYTHING),
    )


def _change(
    rows: pd.DataFrame,
    measure: str,
    statistic: Callable[[pd.DataFrame, str], float],
    back: Callable[[float], float],
    none: float,
) -> Change:
    """Return the change of a measure; ``none`` is what it is where nothing changes."""
    networks = rows.dropna(subset=[measure])
    if networks.empty:
        return Change(math.nan, math.nan, math.nan, math.nan, math.nan, "")
    means = _means(networks, measure)
    change = statistic(networks, measure)
    low = high = math.nan
    if len(means) > 1:
        ends = interval_over_networks(networks, lambda drawn: statistic(drawn, measure))
        low, high = map(back, ends)
    trend = "grows" if low > none else "falls" if high < none else "neither"
    trend = trend if math.isfinite(low) else ""
    return Change(float(means[0]), float(means[-1]), back(change), low, high, trend)


def _means(rows: pd.DataFrame, measure: str) -> np.ndarray:
    return rows.groupby("dimension")[measure].mean().to_numpy(float)
