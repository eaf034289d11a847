"""The rows of the tables that claims look at."""

from __future__ import annotations

import pandas as pd

from advdim.claims.base import Tables
from advdim.sweep import IDENTITY

KEYS = list(IDENTITY)


def cells(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return the finished cells of an experiment."""
    table = tables["cells"]
    inside = table["experiments"].map(lambda names: experiment in set(names))
    return table[inside & (table["status"] == "done")]


def last_epochs(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return the test rows of the summarised epochs, with each cell's dimension."""
    rows = epochs(tables, experiment)
    return rows[rows["summarised"] & (rows["split"] == "test")]


def epochs(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return all rows of the epochs of an experiment's finished cells, with the dimension."""
    of_experiment = cells(tables, experiment)[[*KEYS, "dimension", "attack_epsilon"]]
    return tables["epochs"].merge(of_experiment, on=KEYS)


def undefended(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of usual training, without a method."""
    return rows[rows["method"] == "none"]


def with_every_method(rows: pd.DataFrame) -> pd.DataFrame:
    """Repeat usual training, strength 0, as a point of every method's curve."""
    plain = rows[rows["method"] == "none"]
    methods = [name for name in rows["method"].unique() if name != "none"]
    return pd.concat(
        [rows[rows["method"] != "none"], *(plain.assign(method=name) for name in methods)]
    )


def summaries(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return the attack summaries of an experiment's cells, with their gradient norms."""
    columns = [*KEYS, "grad_l1_median", "grad_l1_untied_median"]
    return tables["attack_summaries"].merge(cells(tables, experiment)[columns], on=KEYS)
