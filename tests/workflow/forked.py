"""Snakemake, and the work of its jobs, in processes forked from one that has loaded them.

Most of a short process is imports, and the tests start hundreds.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

LOADED = multiprocessing.get_context("forkserver")
LOADED.set_forkserver_preload(["snakemake.cli", "torch"])


def snakemake(
    arguments: Sequence[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess:
    """Run ``snakemake ARGUMENTS`` in a folder, with just this environment, to its end."""
    return _run(_snakemake, list(arguments), folder, environment)


def make_results(
    configfile: str, folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess:
    """Make all results of a sweep one after another, as its jobs do; no tables."""
    return _run(_make_results, [configfile], folder, environment)


def _run(
    function: Callable, arguments: list[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess:
    with tempfile.TemporaryDirectory() as place:
        files = [Path(place, name) for name in ("stdout", "stderr")]
        process = LOADED.Process(
            target=_there, args=(function, arguments, folder, environment, files)
        )
        process.start()
        process.join()
        said = [file.read_text() for file in files]
    return subprocess.CompletedProcess(arguments, process.exitcode, *said)


def _there(
    function: Callable, arguments: list[str], folder: Path, environment: dict[str, str],
    files: Sequence[Path],
) -> None:  # fmt: skip
    for descriptor, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND), descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = environment["PYTHONPATH"].split(os.pathsep)
    function(arguments)


def _snakemake(arguments: list[str]) -> None:
    from snakemake.cli import main

    sys.argv = ["snakemake", *arguments]
    main()


def _make_results(arguments: list[str]) -> None:
    import yaml

    from advdim.config import load
    from advdim.results import all_results, revision
    from advdim.stages.job import make

    config = load(yaml.safe_load(Path(arguments[0]).read_text()))
    for result in all_results(config):
        make(config, result, revision=revision(config, result), threads=1)
