"""What a GPU makes of this: does it give the same bits twice, how fast is it, and at what.

Runs the tests marked ``gpu``; one cell twice, compared byte by byte; several cells at once on the
one device; a small sweep; and, in the time that is left, steps beside plain research code, the
largest sizes last. Writes ``measured.json``, a figure and a page, which says what failed and what
was skipped, and what tests and cells printed as ``tests.txt`` and ``twice.txt``. It needs no
network, and stops after ``--minutes``:

    python benchmarks/gpu.py --output results/gpu
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import processes
import torch
import yaml
from gpu_page import write_page
from gpu_together import cells_together
from timed_step import MEASURING, VARIANTS, add_options
from training_step import compare

from advdim.tables import read_table

ROOT = Path(__file__).parents[1]
SAME_CELL = ("network", "samples", "epochs")
# What one of the tests that hangs takes from the rest, and what loading PyTorch may.
TESTS_SECONDS, START_SECONDS = 240, 120
NAME = "import sys; from advdim.runs.provenance import hardware; print(hardware(sys.argv[1]))"


@dataclass
class Run:
    """What all parts know, and what each adds to: sentences on the page."""

    settings: argparse.Namespace
    clock: processes.Clock
    skipped: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def main(arguments: list[str] | None = None) -> int:
    """Measure everything; return 1 where something failed or the device is not there, else 0.

    This process itself computes nothing on the device, whose memory is the others'.
    """
    settings = _parser().parse_args(arguments)
    if settings.device != "cpu" and not torch.cuda.is_available():
        print(
            f"make gpu needs a CUDA device, and PyTorch {torch.__version__} finds none here; "
            "nothing was measured.",
            file=sys.stderr,
        )
        return 1
    settings.output.mkdir(parents=True, exist_ok=True)
    run = Run(settings, processes.Clock(settings.minutes))
    measured: dict[str, Any] = {
        "device": device_name(run), "torch": torch.__version__, "network": settings.network,
        "skipped": run.skipped, "failed": run.failed,
    }  # fmt: skip
    try:
        for name in settings.parts:
            print(f"{name} ...", file=sys.stderr, flush=True)
            measure(name, run, measured)
    finally:
        (settings.output / "measured.json").write_text(json.dumps(measured, indent=2))
        print(f"Written: {write_page(measured, settings.output)}")
    return int(bool(run.failed))


def measure(name: str, run: Run, measured: dict[str, Any]) -> None:
    """Run one part; an error ends no other part."""
    try:
        run.clock.left()
        measured[name] = PARTS[name](run)
    except processes.TooLateError:
        run.skipped.append(f"{name}: no time was left of {run.settings.minutes:g} minutes")
    except subprocess.TimeoutExpired as error:
        run.skipped.append(f"{name}: not done in {error.timeout:g} seconds")
    except (OSError, RuntimeError, ValueError) as error:
        run.failed.append(f"{name}: {type(error).__name__}: {error}".splitlines()[0])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser, sizes=[32, 64, 128, 256], steps=5)
    parser.add_argument("--output", type=Path, default=Path("results/gpu"))
    parser.add_argument("--device", default="cuda", help="cpu exercises all of it, slowly")
    parser.add_argument("--parts", choices=PARTS, nargs="+", default=list(PARTS))
    parser.add_argument("--minutes", type=float, default=9.5)
    parser.add_argument("--methods", nargs="+", default=["pgd_linf", "none", "test_attack"])
    parser.add_argument("--cells", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--seconds", type=float, default=10, help="that cells at once train for")
    parser.add_argument(
        "--tests", nargs=argparse.REMAINDER, default=["tests", "-m", "gpu"], metavar="ARGUMENT",
        help="of pytest; comes last",
    )  # fmt: skip
    parser.add_argument("--sweep", type=Path, default=ROOT / "benchmarks/gpu_sweep.yaml")
    parser.set_defaults(threads=1, rounds=1, variants=list(VARIANTS))
    return parser


def device_name(run: Run) -> str:
    """Return a name of the device that a person recognises."""
    command = [sys.executable, "-c", NAME, run.settings.device]
    try:
        return processes.output(processes.run(command, START_SECONDS)).strip()
    except (processes.FailedError, subprocess.TimeoutExpired) as error:
        run.failed.append(f"the device's name: {error}")
        return str(run.settings.device)


def run_tests(run: Run) -> dict[str, Any]:
    """Run the marked tests in a process of their own; return how they ended."""
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider"]
    said, seconds = run.settings.output / "tests.txt", run.clock.left(TESTS_SECONDS)
    try:
        done = processes.run([*command, *run.settings.tests], seconds, ROOT)
    except subprocess.TimeoutExpired as error:
        said.write_text(f"{error.stdout}{error.stderr}")
        late = f"not done in {seconds:g} seconds"
        run.failed.append(f"tests: {late}")
        return {"passed": False, "summary": late}
    said.write_text(done.stdout + done.stderr)
    summary = processes.last_line(done).strip("= ")
    if done.returncode:
        run.failed.append(f"tests: pytest ended with code {done.returncode}: {summary}")
    return {"passed": done.returncode == 0, "summary": summary}


def same_cell_twice(run: Run) -> dict[str, Any]:
    """Train one cell per method in two processes each; return which files have the same bytes."""
    same: dict[str, Any] = {}
    (run.settings.output / "twice.txt").write_text("")
    for method in [m for m in run.settings.methods if m not in MEASURING]:
        try:
            same[method] = _twice(run, method)
        except processes.FailedError as error:
            run.failed.append(f"a cell of {method}: {error}")
            continue
        except (processes.TooLateError, subprocess.TimeoutExpired):
            run.skipped.append(f"the same cell of {method} twice: no time was left")
            continue
        if differing := [name for name, equal in same[method].items() if not equal]:
            run.failed.append(f"the same cell of {method} twice: {', '.join(differing)} differ")
    return same


def _twice(run: Run, method: str) -> dict[str, bool]:
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder, number) for number in ("first", "second")]
        for place in places:
            command = [
                sys.executable, str(ROOT / "benchmarks/gpu_cell.py"), "cell",
                "--method", method, "--device", run.settings.device, "--output", str(place),
            ]  # fmt: skip
            done = processes.run(command, run.clock.left())
            with (run.settings.output / "twice.txt").open("a") as said:
                said.write(f"{method}, {place.name}\n{done.stdout}{done.stderr}")
            processes.output(done)
        return {name: _same(name, *places) for name in SAME_CELL}


def _same(name: str, one: Path, other: Path) -> bool:
    if name == "network":
        files = [folder / "network.safetensors" for folder in (one, other)]
        return files[0].read_bytes() == files[1].read_bytes()
    tables = [pd.read_parquet(folder / f"{name}.parquet") for folder in (one, other)]
    first, second = (table.drop(columns="seconds", errors="ignore") for table in tables)
    return first.equals(second)


def together(run: Run) -> list[dict[str, Any]]:
    """Return the speed of cells at once, without and with NVIDIA's Multi-Process Service."""
    return list(cells_together(run.settings, run.clock, run.skipped, run.failed))


def time_steps(run: Run) -> list[dict[str, Any]]:
    """Return a row per size, method and variant, the first sizes first."""
    errors: dict[str, Exception] = {}
    rows = list(compare(run.settings, run.clock.left, errors))
    for what, error in errors.items():
        (run.failed if processes.is_failure(error) else run.skipped).append(f"{what}: {error}")
    return rows


def small_sweep(run: Run) -> dict[str, Any]:
    """Run a sweep with Snakemake from nothing to its report; return its cells and its time."""
    with tempfile.TemporaryDirectory() as folder:
        config = yaml.safe_load(run.settings.sweep.read_text())
        config |= {"results": str(Path(folder, "results")), "device": run.settings.device}
        file = Path(folder, "config.yaml")
        file.write_text(yaml.safe_dump(config))
        command = [
            sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow/Snakefile"),
            "--configfile", str(file), "--directory", folder, "--cores", "all", "--quiet", "all",
        ]  # fmt: skip
        start = time.monotonic()
        processes.output(processes.run(command, run.clock.left()))
        seconds = time.monotonic() - start
        cells = read_table(Path(folder, "results/tables/cells.parquet"))
        columns = ["size", "epsilon", "status", "precision", "device", "seconds"]
        report = Path(folder, "results/report.html").exists()
        return {"seconds": seconds, "report": report, "cells": cells[columns].to_dict("records")}


# Steps come last: they take what time there is, and the others do not.
PARTS: dict[str, Callable[[Run], Any]] = {
    "tests": run_tests,
    "twice": same_cell_twice,
    "together": together,
    "sweep": small_sweep,
    "steps": time_steps,
}

if __name__ == "__main__":
    sys.exit(main())
