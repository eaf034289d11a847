"""Estimate what a sweep takes before it runs."""

from __future__ import annotations

import argparse

from advdim.commands.base import Command, add_config, read_config
from advdim.planning.costs import GPU_TERAFLOPS


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--gpu", choices=GPU_TERAFLOPS, default="a100", help="estimate for this one"
    )


def _run(options: argparse.Namespace) -> None:
    from advdim.planning.plan import make_plan
    from advdim.planning.trial import refuse_problems

    config = read_config(options.config)
    refuse_problems(config)
    print(make_plan(config, options.gpu))


COMMAND = Command(
    "plan",
    "estimate hours and disk from steps timed here",
    "advdim plan config.yaml --gpu h100",
    _run,
    _arguments,
)
