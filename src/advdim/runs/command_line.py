"""The options of a Snakemake command that another one on the same sweep needs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

ONE_VALUE = {
    "--snakefile", "-s", "--profile", "--workflow-profile", "--directory", "-d",
    "--cores", "-c", "--jobs", "-j", "--executor", "-e", "--conda-prefix",
}  # fmt: skip
NO_VALUE = {"--use-conda"}
MANY_VALUES = {
    "--configfile", "--configfiles", "--config", "-C", "--resources", "--res",
    "--software-deployment-method", "--sdm", "--set-resources", "--default-resources",
    "--default-res", "--set-threads",
}  # fmt: skip


def same_options(arguments: Sequence[str]) -> str:
    """Return the command without its targets, to be pasted into a shell."""
    program, *rest = arguments
    kept = ["python", "-m", "snakemake"] if program.endswith("__main__.py") else [program]
    room = 0
    for argument in rest:
        option, value = _parts(argument)
        if argument.startswith("-"):
            room = 1 if option in ONE_VALUE else len(rest) if option in MANY_VALUES else 0
            if room or option in NO_VALUE:
                kept.append(argument)
            if value:
                # there is no other
                room = 0
        elif room:
            kept.append(argument)
            room -= 1
    return shlex.join(kept)


def _parts(argument: str) -> tuple[str, str]:
    """Split an option from the value that is written in one with it: ``--cores=4``, ``-c4``."""
    if not argument.startswith("--") and argument[:2] in ONE_VALUE:
        return argument[:2], argument[2:]
    option, _, value = argument.partition("=")
    return option, value
