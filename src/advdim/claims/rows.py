"""The rows of the tables that claims look at."""

from __future__ import annotations

import pandas as pd

from advdim.claims import needs
from advdim.claims.base import Tables
from advdim.sweep import IDENTITY
from advdim.tables.derived import cells_of, last_test_epochs

SETTINGS = ["dimension", "attack_threshold", "dampening"]


def cells(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return the finished cells of an experiment."""
    table = cells_of(tables["cells"], experiment)
    return table[table["status"] == "done"]


def last_epochs(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return the test rows of the summarised epochs, with each cell's dimension."""
    return last_test_epochs(epochs(tables, experiment))


def epochs(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return all rows of the epochs of an experiment's finished cells, with some settings."""
    return tables["epochs"].merge(cells(tables, experiment)[[*IDENTITY, *SETTINGS]], on=IDENTITY)


def trained_by_pgd(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return the rows of ``last_epochs`` of usual training and of PGD, as Section 4.2 has them."""
    rows = needs.methods(last_epochs(tables, experiment), "pgd_linf")
    return rows[rows["method"].isin(["none", "pgd_linf"])]


def undefended(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of usual training, without a method."""
    return rows[rows["method"] == "none"]


def curves(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the methods' curves, named in ``curve``: usual training, strength 0, is on each."""
    plain, trained = undefended(rows), rows[rows["method"] != "none"]
    named = [plain.assign(curve=name) for name in trained["method"].unique()]
    return pd.concat([trained.assign(curve=trained["method"]), *named])


def summaries(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return the attack summaries of an experiment's cells, with their gradient norms."""
    columns = [*IDENTITY, "grad_l1_median"]
    return tables["attack_summaries"].merge(cells(tables, experiment)[columns], on=IDENTITY)
