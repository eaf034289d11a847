"""The stage that draws one figure of one experiment from the tables alone."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping

import matplotlib.pyplot as plt
import pandas as pd

from advdim.config import Config
from advdim.figures.registry import FIGURES
from advdim.figures.style import save
from advdim.sweep import IDENTITY
from advdim.tables import read_table


def draw_figure(
    config: Config,
    experiment: str,
    figure: str,
    table_files: Mapping[str, str],
    outputs: Iterable[str],
) -> None:
    """Draw a figure from its tables and save it once per output."""
    entry = FIGURES[figure]
    function = getattr(importlib.import_module(f"advdim.figures.{entry.module}"), entry.function)
    tables = {name: read_table(path) for name, path in table_files.items()}
    drawn = function(_of_experiment(tables, experiment), config.figures)
    for path in outputs:
        save(drawn, path, config.figures)
    plt.close(drawn)


def _of_experiment(tables: Mapping[str, pd.DataFrame], experiment: str) -> dict[str, pd.DataFrame]:
    """Keep the rows of the experiment's cells; every figure reads ``cells`` among its tables."""
    cells = tables["cells"]
    cells = cells[[experiment in names for names in cells["experiments"]]]
    rest = {name: table for name, table in tables.items() if name != "cells"}
    chosen = {name: table.merge(cells[list(IDENTITY)]) for name, table in rest.items()}
    return {"cells": cells, **chosen}
