"""Draw what is finished of a sweep, trained or not to its end, through the workflow."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

import advdim
from advdim.commands.base import Command, add_config, read_config
from advdim.config import ConfigError
from advdim.words import counted

# Snakemake keeps the last of these only.
OF_THE_SWEEP = re.compile("-C|--conf")
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
    from advdim.results import all_results, of_other_settings

    more = shlex.split(options.options)
    if of_the_sweep := [option for option in more if OF_THE_SWEEP.match(option)]:
        raise ConfigError(
            f"Option --options holds {of_the_sweep[0]!r}, which would replace what keeps this from "
            f"training: change {options.config} instead."
        )
    config = read_config(options.config, only_finished=True)
    snakefile = options.snakefile or find_snakefile()
    if not snakefile.is_file():
        raise ConfigError(f"Option --snakefile names {str(snakefile)!r}, which is no file.")
    others = of_other_settings(config)
    are = "is" if len(others) == 1 else "are"
    of_others = f"{counted(len(others), 'result')} {are} of other settings than {options.config}"
    if all(result.stage == "pixels" for result in all_results(config)):
        why = of_others if others else "there is nothing to draw"
        raise ConfigError(f"Nothing is finished in {config.results!r}: {why}.")
    if others:
        print(f"{of_others}: left out, with what was made of them.", file=sys.stderr)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
    command += ["--cores", options.cores, "--configfile", options.config]
    command += ["--config", "only_finished=true", "--forceall", "--quiet", "rules"]
    report = Path(config.results, "report.html")
    before = _written(report)
    status = subprocess.run([*command, *more], check=False).returncode
    # not by a dry run, for instance
    if status == 0 and _written(report) != before:
        print(f"Report in {report}, tables in {config.results}/tables.")
    return status


def _written(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


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
