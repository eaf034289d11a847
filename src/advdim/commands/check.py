"""Check a sweep's file before anything is run."""

from __future__ import annotations

import argparse

from advdim.commands.base import Command, add_config, read_config
from advdim.config import ConfigError
from advdim.sweep import experiments_by_cell


def _run(options: argparse.Namespace) -> None:
    from advdim.planning.trial import network_problems

    config = read_config(options.config)
    cells = experiments_by_cell(config)
    if problems := network_problems(config):
        raise ConfigError("\n".join(problems))
    print(f"{options.config} is valid: {len(cells)} cells.")


COMMAND = Command(
    "check",
    "check a configuration, try its own networks, count its cells",
    "advdim check config.yaml",
    _run,
    add_config,
)
