"""The networks: what was measured of each, which ended badly, and what made them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from advdim.tables import CELL_KEYS

SHOWN = (
    *CELL_KEYS, "status", "accuracy_median", "vulnerability_median",
    "vulnerability_of_label_median", "damage_median", "grad_l1_median", "grad_l1_untied_median",
    "epochs", "seconds", "experiments",
)  # fmt: skip


@dataclass(frozen=True)
class Networks:
    """The table of networks in words, and those that diverged or failed, each with why."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    ended_badly: Sequence[tuple[str, str, str]]


def networks_of(cells: pd.DataFrame) -> Networks:
    """Return the table ``cells`` as a person reads it."""
    columns = [name for name in SHOWN if name in cells]
    return Networks(
        columns=[name.removesuffix("_median") for name in columns],
        rows=[[_value(row[name]) for name in columns] for _, row in cells.iterrows()],
        ended_badly=[
            (named(row), row["status"], _why(row["error"]))
            for _, row in cells[cells["status"] != "done"].iterrows()
        ],
    )


def named(row: pd.Series) -> str:
    """Return a network's identity in words."""
    return (
        f"{row['network']} on {row['dataset']}, {row['size']} pixels, {row['method']} "
        f"{row['epsilon']:g}, seed {row['seed']}"
    )


def provenance_of(cells: pd.DataFrame) -> dict[str, str]:
    """Return what trained the networks: hours, hardware, code and versions."""
    if cells.empty:
        return {}
    facts = {"Hours of training and measuring": f"{cells['seconds'].sum() / 3600:.2f}"}
    for name, column in (("Trained on", "device"), ("Code of the networks", "commit")):
        facts[name] = _counted(cells[column])
    for versions, count in Counter(cells["versions"]).items():
        found = ", ".join(f"{k} {v}" for k, v in json.loads(versions).items())
        facts[f"Versions ({count} networks)"] = found
    return facts


def _why(error: object) -> str:
    """Return why a network failed; only one that diverged has no error, which is null."""
    return error if isinstance(error, str) else "its loss is not finite"


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if not isinstance(value, str) and hasattr(value, "__iter__"):
        return ", ".join(map(str, value))
    return str(value)


def _counted(values: pd.Series) -> str:
    return ", ".join(f"{value} ({count})" for value, count in values.value_counts().items())
