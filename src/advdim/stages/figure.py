"""The stage that draws one figure of one experiment from the tables alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd

from advdim.catalogue.figures import FIGURES
from advdim.config import Config
from advdim.figures.style import save
from advdim.sweep import IDENTITY
from advdim.tables import SUMMARY_NAMES, cells_of, read_table


def draw_figure(
    config: Config,
    experiment: str,
    figure: str,
    table_files: Mapping[str, str],
    outputs: Iterable[str],
) -> None:
    """Draw a figure from its tables and save it in every format."""
    function = FIGURES[figure].load()
    tables = {name: read_table(path) for name, path in table_files.items()}
    drawn = function(of_experiments(tables, config, [experiment]), config.figures)
    save(drawn, outputs, config.figures)
    plt.close(drawn)


def of_experiments(
    tables: Mapping[str, pd.DataFrame], config: Config, experiments: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Keep the experiments' cells and attacks; all but those at initialisation read ``cells``.

    A cell that diverged or failed may have rows of before that: figures name it and do not show
    its measures.
    """
    if "initialisation" in tables:
        rows = tables["initialisation"]
        return {"initialisation": rows[rows["experiment"].isin(experiments)]}
    cells = cells_of(tables["cells"], *experiments).copy()
    missing = cells["status"] != "done"
    cells.loc[missing, SUMMARY_NAMES] = float("nan")
    rest = {name: table for name, table in tables.items() if name != "cells"}
    shown = cells.loc[~missing, IDENTITY]
    chosen = {name: table.merge(shown) for name, table in rest.items()}
    # another experiment may have attacked the same cells in other ways
    attacks = [attack for name in experiments for attack in config.experiments[name].attacks]
    own = [*attacks, "gradient"]
    for name, column in (("attack_summaries", "attack"), ("ladder", "rung")):
        if name in chosen:
            chosen[name] = chosen[name][chosen[name][column].isin(own)]
    return {"cells": cells, **chosen}
