"""Snakemake's command line, in a process forked from one that has already loaded it.

Two thirds of a start are imports, and the tests start it a hundred times.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

LOADED = multiprocessing.get_context("forkserver")
LOADED.set_forkserver_preload(["snakemake.cli"])


def snakemake(
    arguments: Sequence[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess:
    """Run ``snakemake ARGUMENTS`` in a folder, with just this environment, to its end."""
    with tempfile.TemporaryDirectory() as place:
        files = [Path(place, name) for name in ("stdout", "stderr")]
        process = LOADED.Process(target=_main, args=(arguments, folder, environment, files))
        process.start()
        process.join()
        said = [file.read_text() for file in files]
    return subprocess.CompletedProcess(list(arguments), process.exitcode, *said)


def _main(
    arguments: Sequence[str], folder: Path, environment: dict[str, str], files: Sequence[Path]
) -> None:
    for descriptor, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND), descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = environment["PYTHONPATH"].split(os.pathsep)
    sys.argv = ["snakemake", *arguments]
    from snakemake.cli import main

    main()
