"""Snakemake, and the scripts of its jobs, in processes forked from one that has loaded them.

Most of a short process is imports, and the tests start hundreds.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from multiprocessing import connection, forkserver
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
LOADED = multiprocessing.get_context("forkserver")
LOADED.set_forkserver_preload(
    [
        *("snakemake.cli", "torch", "pandas", "pyarrow.dataset", "pyarrow.parquet", "safetensors"),
        *("smart_open", "pydantic"),
        *("matplotlib.pyplot", "scipy.special", "scipy.stats", "sklearn.datasets", "jinja2"),
        *("advdim.__main__", "advdim.stages.job", "advdim.stages.figure", "advdim.stages.report"),
        *("advdim.stages.train", "advdim.stages.attack", "advdim.stages.bounds"),
        *("advdim.stages.examples", "advdim.stages.initialisation", "advdim.stages.complete"),
    ]
)
# Starting a process looks after those of other threads.
ONE_THREAD = threading.Lock()


def snakemake(
    *arguments: str, folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess:
    """Run ``snakemake ARGUMENTS`` in a folder, with just this environment, to its end."""
    return _run(_snakemake, arguments, folder, environment)


def python(
    *arguments: str | Path, folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess:
    """Run ``python ARGUMENTS``, a file or ``-m`` and a module, as ``snakemake`` does."""
    return _run(_python, arguments, folder, environment)


def own_source() -> dict[str, str]:
    """Return the environment in which this checkout's package is read."""
    return os.environ | {"PYTHONPATH": str(SOURCE)}


def _run(
    function: Callable, arguments: Sequence[str | Path], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess:
    with tempfile.TemporaryDirectory() as place:
        files = [Path(place, name) for name in ("stdout", "stderr")]
        code = _forked(function, list(map(str, arguments)), folder, environment, files)
        said = [file.read_text() for file in files]
    return subprocess.CompletedProcess(arguments, code, *said)


def _forked(*arguments: object) -> int:
    process = LOADED.Process(target=_there, args=arguments)
    with ONE_THREAD:
        process.start()
    connection.wait([process.sentinel])
    with ONE_THREAD:
        process.join()
    return process.exitcode


def _there(
    function: Callable, arguments: list[str], folder: Path, environment: dict[str, str],
    files: Sequence[Path],
) -> None:  # fmt: skip
    for descriptor, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND), descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    places = environment["PYTHONPATH"].split(os.pathsep)
    sys.path[:0] = places
    if places[0] != str(SOURCE):
        forget("advdim")
    function(arguments, files)


def forget(package: str) -> None:
    """Let a package be read anew, from a checkout of a test's own."""
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        del sys.modules[name]


def _snakemake(arguments: list[str], files: Sequence[Path]) -> None:
    from snakemake.cli import main
    from snakemake.script import PythonScript

    def execute_script(script: PythonScript, name: str, edit: bool = False) -> None:
        code = _forked(_python, [name], Path.cwd(), dict(os.environ), files)
        if code:
            raise subprocess.CalledProcessError(code, ["python", name])

    PythonScript.execute_script = execute_script
    # Jobs are forked from the process that this one was forked from.
    forkserver._forkserver.ensure_running = lambda: None
    sys.argv = ["snakemake", *arguments]
    main()


def _python(arguments: list[str], files: Sequence[Path]) -> None:
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path.insert(0, str(Path(arguments[0]).parent))
        runpy.run_path(arguments[0], run_name="__main__")
