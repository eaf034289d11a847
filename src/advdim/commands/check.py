"""Check a sweep's file before anything is run."""

from __future__ import annotations

import argparse

from advdim.commands.base import Command, add_config, read_config
from advdim.sweep import attacked_cells, experiments_by_cell
from advdim.words import counted


def _run(options: argparse.Namespace) -> None:
    from advdim.planning.trial import refuse_problems

    config = read_config(options.config)
    refuse_problems(config)
    networks = counted(len(experiments_by_cell(config)), "network")
    attacks = counted(len(attacked_cells(config)), "attack")
    print(f"{options.config} is valid: {networks} and {attacks}.")


COMMAND = Command(
    "check",
    "check a configuration, try its own networks, count its networks and attacks",
    "advdim check config.yaml",
    _run,
    add_config,
)
