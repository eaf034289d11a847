"""Check, plan and follow a sweep, look up its tables, draw its figures, or train one network."""

from __future__ import annotations

import argparse
import os
import sys

from advdim import __version__
from advdim.commands import cell, check, describe, figures, plan, status, tables
from advdim.config import ConfigError

COMMANDS = (
    check.COMMAND,
    plan.COMMAND,
    cell.COMMAND,
    status.COMMAND,
    tables.COMMAND,
    figures.COMMAND,
    describe.SCHEMA,
    describe.REFERENCE,
)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return its exit status."""
    options = parser().parse_args(arguments)
    try:
        exit_status: int | None = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has seen enough; nothing is left to be flushed when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ConfigError, ValueError, OSError) as error:
        print(f"advdim: {error}", file=sys.stderr)
        return 2
    return exit_status or 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    whole = argparse.ArgumentParser(
        prog="advdim",
        description=__doc__,
        epilog="example:\n  advdim status config.yaml\n\n"
        "Networks are trained by Snakemake: snakemake --cores all --configfile config.yaml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"advdim {__version__}")
    commands = whole.add_subparsers(required=True, metavar="command")
    for command in COMMANDS:
        command.add_to(commands)
    return whole


if __name__ == "__main__":
    sys.exit(main())
