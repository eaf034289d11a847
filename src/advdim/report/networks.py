"""The networks: what was measured of each, and what made them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from advdim.sweep import IDENTITY
from advdim.words import counted

SHOWN = (
    *IDENTITY, "status", "flags", "accuracy_median", "vulnerability_median",
    "vulnerability_of_label_median", "damage_median", "grad_l1_median", "grad_l1_untied_median",
    "epochs", "seconds", "experiments",
)  # fmt: skip


@dataclass(frozen=True)
class Networks:
    """The table of networks in words, and how many there are of either kind."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    count: str


def networks_of(cells: pd.DataFrame) -> Networks:
    """Return the table ``cells`` as a person reads it."""
    columns = [name for name in SHOWN if name in cells]
    return Networks(
        columns=[name.removesuffix("_median") for name in columns],
        rows=[[_value(row[name]) for name in columns] for _, row in cells.iterrows()],
        count=_count(cells),
    )


def provenance_of(cells: pd.DataFrame) -> dict[str, str]:
    """Return what trained the networks: hours, hardware, code and versions."""
    if cells.empty:
        return {}
    facts = {"Hours of training and measuring": f"{cells['seconds'].sum() / 3600:.2f}"}
    for name, column in (("Trained on", "device"), ("Code of the networks", "commit")):
        if known := with_counts(cells[column]):
            facts[name] = known
    for versions, count in Counter(cells["versions"].dropna()).items():
        found = ", ".join(f"{k} {v}" for k, v in json.loads(versions).items())
        facts[f"Versions ({counted(count, 'network')})"] = found
    return facts


def with_counts(values: pd.Series) -> str:
    """Return each value with how often it occurs."""
    return ", ".join(f"{value} ({count})" for value, count in values.value_counts().items())


def untrained(cells: pd.DataFrame) -> pd.Series:
    """Tell of each row whether its network was measured as it came, and not lost in training."""
    return (cells["status"].eq("done") & cells["epochs"].eq(0)).fillna(False).astype(bool)


def _count(cells: pd.DataFrame) -> str:
    measured = int(untrained(cells).sum())
    trained = int(cells["status"].eq("done").sum()) - measured
    parts = [counted(trained, "trained network")] if trained or not measured else []
    parts += [counted(measured, "network") + " measured without training"] if measured else []
    lost = [(int(cells["status"].eq(status).sum()), status) for status in ("diverged", "failed")]
    parts += [f"{count} that {status}" for count, status in lost if count]
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _value(value: Any) -> str:
    if not isinstance(value, str) and hasattr(value, "__iter__"):
        return ", ".join(map(str, value))
    if pd.isna(value):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
