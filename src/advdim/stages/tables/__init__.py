"""The stage that makes a table: what each is made from, and the function that makes it.

Importing this loads none of these functions, since the workflow asks for it whenever it is read.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from advdim.claims import READ_TABLES
from advdim.config import Config
from advdim.results import Result
from advdim.stage_code import training_modules

# By stage: files of its results, and of their records as ``<stage>_records``; by table: its file.
Inputs = Mapping[str, Sequence[str | Path]]
# The results of a stage that the sweep has.
Stage = Callable[[str], Sequence[Result]]


@dataclass(frozen=True)
class Recipe:
    """What a table is made from: by stage, one file of each of its results; and other tables.

    A sweep without results of the first stage, or without the first table, has no such table.
    ``function`` of ``module`` takes the configuration, the inputs and the table's name and file.
    """

    module: str
    function: str
    results: Mapping[str, str] = field(default_factory=dict)
    tables: tuple[str, ...] = ()
    other_code: tuple[str, ...] = ()

    @property
    def code(self) -> tuple[str, ...]:
        """The modules whose code the table depends on."""
        return (f"{__name__}.{self.module}", *self.other_code)


RECIPES = {
    "epochs": Recipe(
        "gathered", "gather_files", {"train": "epochs"}, other_code=("advdim.tables.cells",)
    ),
    "samples": Recipe(
        "gathered", "gather_files", {"train": "samples"}, other_code=("advdim.tables.cells",)
    ),
    "attacks": Recipe(
        "gathered", "gather_files", {"attack": "attacks"}, other_code=("advdim.tables.attacks",)
    ),
    "initialisation": Recipe(
        "gathered",
        "gather_files",
        {"initialisation": "initialisation"},
        other_code=("advdim.tables.initialisation",),
    ),
    # It names the networks that were trained by other code than the present.
    "cells": Recipe(
        "cells", "gather_cells", {"train": "epochs"}, other_code=tuple(training_modules())
    ),
    "attack_summaries": Recipe("attacks", "summarise_attacks", {"attack": "attacks"}),
    "ladder": Recipe("attacks", "climb_ladder", tables=("attack_summaries", "cells")),
    "bounds": Recipe("bounds", "set_against_attacks", {"bounds": "bounds", "attack": "attacks"}),
    "bound_summaries": Recipe("bounds", "summarise", tables=("bounds",)),
    "sandwich": Recipe("bounds", "certify", tables=("bounds", "attack_summaries")),
    "claims": Recipe("claims", "judge_claims", tables=READ_TABLES),
}


def tables_made(results: Stage, *others: str) -> list[str]:
    """Return the names of the tables that a sweep of such results has, after ``others``."""
    names = list(others)
    for name, recipe in RECIPES.items():
        sources = [*map(results, recipe.results), *(table in names for table in recipe.tables)]
        if sources[0] or name == "claims":
            names.append(name)
    return names


def results_for(table: str, results: Stage) -> dict[str, list[Result]]:
    """Return what a table is made from, by stage; of later ones, what is of the first's cells."""
    stages = list(RECIPES[table].results)
    cells = {result.cell for result in results(stages[0])} if len(stages) > 1 else set()
    return {
        stage: [r for r in results(stage) if stage == stages[0] or r.cell in cells]
        for stage in stages
    }


def make_table(config: Config, table: str, inputs: Inputs, output: str | Path) -> None:
    """Make one of the tables of ``RECIPES`` from its inputs, as far as the sweep has them."""
    recipe = RECIPES[table]
    module = importlib.import_module(recipe.code[0])
    getattr(module, recipe.function)(config, inputs, table, output)
