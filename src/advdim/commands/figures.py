"""Draw what is finished of a sweep, trained or not to its end, through the workflow."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

import advdim
from advdim.commands.base import Command, add_config, read_config
from advdim.config import ConfigError

# Of a checkout, in which the package lies or in which the user stands.
CHECKOUTS = (Path(advdim.__file__).parents[2], Path())


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--cores", default="all", help="processors to use; default: %(default)s")
    parser.add_argument(
        "--snakefile", type=Path, help="that of advdim, where it is not in a checkout"
    )
    parser.add_argument(
        "--options", default="", help="more of Snakemake's, as in --options='--nolock --dry-run'"
    )


def _run(options: argparse.Namespace) -> int:
    from advdim.results import all_results

    config = read_config(options.config, only_finished=True)
    snakefile = options.snakefile or find_snakefile()
    if not snakefile.is_file():
        raise ConfigError(f"Option --snakefile names {str(snakefile)!r}, which is no file.")
    if next(all_results(config), None) is None:
        raise ConfigError(f"Nothing is finished in {config.results!r}: there is nothing to draw.")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
    command += ["--cores", options.cores, "--configfile", options.config]
    command += ["--config", "only_finished=true", "--forceall", "--quiet", "rules"]
    done = subprocess.run([*command, *shlex.split(options.options)], check=False)
    if done.returncode == 0:
        print(f"Report in {config.results}/report.html, tables in {config.results}/tables.")
    return done.returncode


def find_snakefile() -> Path:
    """Return the workflow's file; raises ConfigError where there is no checkout."""
    for checkout in CHECKOUTS:
        snakefile = checkout / "Snakefile"
        if snakefile.is_file() and (checkout / "src/advdim").is_dir():
            return snakefile
    raise ConfigError(
        "The workflow's files are not part of the installed package: run this in a checkout of "
        "advdim's repository, or name its file with --snakefile CHECKOUT/Snakefile."
    )


COMMAND = Command(
    "figures",
    "draw tables, figures and the report of what is finished; nothing is trained",
    "advdim figures config.yaml",
    _run,
    _arguments,
)
