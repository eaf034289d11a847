"""What a GPU makes of this: does it give the same bits twice, how fast is it, and at what.

Runs the tests marked ``gpu``; steps beside plain research code; several cells at once on the one
device; one cell twice, compared byte by byte; and a small sweep. Writes ``measured.json``, a figure
and a page, and says there what it skipped. It needs no network, and stops after ``--minutes``:

    python benchmarks/gpu.py --output results/gpu
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml
from gpu_page import write_page
from training_step import MEASURING, NETWORKS, NotThereError, differs, time_one

from advdim.runs.provenance import hardware
from advdim.tables import read_table

ROOT = Path(__file__).parents[1]
PRECISIONS = ("plain", "computed", "float32", "tf32", "bfloat16_backward", "anchored", "bfloat16")
SERVICE = "nvidia-cuda-mps-control"
SAME_CELL = ("network", "samples", "epochs")


class TooLateError(Exception):
    """No time is left for this."""


class Clock:
    """What is left of the minutes."""

    def __init__(self, minutes: float) -> None:
        self.end = time.monotonic() + 60 * minutes

    def left(self) -> float:
        """Return the seconds left; raises TooLateError where there are none."""
        seconds = self.end - time.monotonic()
        if seconds <= 0:
            raise TooLateError("no time was left")
        return seconds


def main(arguments: list[str] | None = None) -> int:
    """Measure everything; return 0, or 1 where the device is not there."""
    settings = _parser().parse_args(arguments)
    if settings.device != "cpu" and not torch.cuda.is_available():
        print(
            f"make gpu needs a CUDA device, and PyTorch {torch.__version__} finds none here; "
            "nothing was measured.",
            file=sys.stderr,
        )
        return 1
    clock, skipped = Clock(settings.minutes), []
    measured: dict[str, Any] = {
        "device": hardware(settings.device), "torch": torch.__version__, "network": settings.network
    }  # fmt: skip
    for name in settings.parts:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            clock.left()
            measured[name] = PARTS[name](settings, clock, skipped)
        except (TooLateError, subprocess.TimeoutExpired):
            skipped.append(f"{name}: no time was left of {settings.minutes:g} minutes")
        except (OSError, RuntimeError, ValueError, subprocess.CalledProcessError) as error:
            skipped.append(f"{name}: {type(error).__name__}: {error}".splitlines()[0])
    measured["skipped"] = skipped
    settings.output.mkdir(parents=True, exist_ok=True)
    (settings.output / "measured.json").write_text(json.dumps(measured, indent=2))
    print(f"Written: {write_page(measured, settings.output)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("results/gpu"))
    parser.add_argument("--device", default="cuda", help="cpu exercises all of it, slowly")
    parser.add_argument("--parts", choices=PARTS, nargs="+", default=list(PARTS))
    parser.add_argument("--minutes", type=float, default=9.5)
    parser.add_argument("--network", choices=NETWORKS, default="maxpool8")
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--methods", nargs="+", default=["pgd_linf", "none", "test_attack"])
    parser.add_argument("--cells", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--seconds", type=float, default=10, help="that cells at once train for")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=5, help="timed steps of each kind")
    parser.add_argument("--matrix", type=int, default=2048, help="edge of the product compared to")
    parser.add_argument("--tests", nargs="+", default=["tests", "-m", "gpu"])
    parser.add_argument("--sweep", type=Path, default=ROOT / "benchmarks/gpu_sweep.yaml")
    parser.set_defaults(threads=1)
    return parser


def run_tests(settings: argparse.Namespace, clock: Clock, skipped: list[str]) -> dict[str, Any]:
    """Run the marked tests in a process of their own; return how they ended."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *settings.tests]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=clock.left())
    lines = done.stdout.splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return {"passed": done.returncode == 0, "summary": lines[-1] if lines else "", "failed": failed}


def time_steps(
    settings: argparse.Namespace, clock: Clock, skipped: list[str]
) -> list[dict[str, Any]]:
    """Return a row per size, method and precision, the smallest sizes first."""
    rows: list[dict[str, Any]] = []
    for size in settings.sizes:
        for method in settings.methods:
            plain = None
            for variant in PRECISIONS:
                if not differs(variant, method):
                    continue
                names = {"size": size, "method": method, "variant": variant}
                try:
                    clock.left()
                    row = time_one(settings, variant, method, size)
                except (TooLateError, NotThereError, torch.OutOfMemoryError) as error:
                    skipped.append(f"step of {method} at {size} pixels, {variant}: {error}")
                    continue
                plain = row["seconds"] if variant == "plain" else plain
                if plain:
                    row["times_the_plain_step"] = plain / row["seconds"]
                rows.append({**names, **row})
    return rows


def cells_together(
    settings: argparse.Namespace, clock: Clock, skipped: list[str]
) -> list[dict[str, Any]]:
    """Return the images per second of 1, 2, ... processes that train beside one another.

    A GPU computes for one process at a time, unless NVIDIA's Multi-Process Service lets them share
    it: measured without and with one of our own.
    """
    rows: list[dict[str, Any]] = []
    for shared in (False, True):
        with contextlib.ExitStack() as stack:
            environment = dict(os.environ)
            if shared and not (environment := stack.enter_context(multi_process_service(settings))):
                skipped.append(f"cells at once, with {SERVICE}: it is not there")
                break
            for count in settings.cells:
                try:
                    speed = _together(settings, count, clock, environment)
                except (TooLateError, subprocess.TimeoutExpired):
                    skipped.append(f"{count} cells at once: no time was left")
                    continue
                rows.append({"cells": count, "service": shared, "images_per_second": speed})
    return rows


@contextlib.contextmanager
def multi_process_service(settings: argparse.Namespace) -> Iterator[dict[str, str]]:
    """Start a service and yield the environment in which processes use it; empty without one."""
    if settings.device == "cpu" or not shutil.which(SERVICE):
        yield {}
        return
    with tempfile.TemporaryDirectory() as folder:
        places = {f"CUDA_MPS_{kind}_DIRECTORY": folder for kind in ("PIPE", "LOG")}
        environment = {**os.environ, **places}
        subprocess.run([SERVICE, "-d"], check=True, env=environment)
        try:
            yield environment
        finally:
            subprocess.run([SERVICE], input="quit", text=True, env=environment)


def _together(
    settings: argparse.Namespace, count: int, clock: Clock, environment: dict[str, str]
) -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, str(ROOT / "benchmarks/gpu_cell.py"), "steps",
            "--network", settings.network, "--size", str(settings.sizes[0]),
            "--batch-size", str(settings.batch_size), "--device", settings.device,
            "--seconds", str(settings.seconds), "--meet", folder, "--count", str(count),
        ]  # fmt: skip
        workers = [
            subprocess.Popen(
                [*command, "--number", str(number)],
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
            for number in range(count)
        ]
        try:
            outputs = [worker.communicate(timeout=clock.left())[0] for worker in workers]
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
    if any(worker.returncode for worker in workers):
        raise RuntimeError(f"of {count} cells at once one failed")
    return sum(json.loads(output)["images_per_second"] for output in outputs)


def same_cell_twice(
    settings: argparse.Namespace, clock: Clock, skipped: list[str]
) -> dict[str, Any]:
    """Train one cell per method in two processes each; return which files have the same bytes."""
    same: dict[str, Any] = {}
    for method in [m for m in settings.methods if m not in MEASURING]:
        with tempfile.TemporaryDirectory() as folder:
            runs = [Path(folder, number) for number in ("first", "second")]
            for run in runs:
                command = [
                    sys.executable, str(ROOT / "benchmarks/gpu_cell.py"), "cell",
                    "--method", method, "--device", settings.device, "--output", str(run),
                ]  # fmt: skip
                subprocess.run(command, check=True, capture_output=True, timeout=clock.left())
            same[method] = {name: _same(name, *runs) for name in SAME_CELL}
    return same


def _same(name: str, one: Path, other: Path) -> bool:
    if name == "network":
        files = [folder / "network.safetensors" for folder in (one, other)]
        return files[0].read_bytes() == files[1].read_bytes()
    tables = [pd.read_parquet(folder / f"{name}.parquet") for folder in (one, other)]
    first, second = (table.drop(columns="seconds", errors="ignore") for table in tables)
    return first.equals(second)


def small_sweep(settings: argparse.Namespace, clock: Clock, skipped: list[str]) -> dict[str, Any]:
    """Run a sweep with Snakemake from nothing to its report; return its cells and its time."""
    with tempfile.TemporaryDirectory() as folder:
        config = yaml.safe_load(settings.sweep.read_text())
        config |= {"results": str(Path(folder, "results")), "device": settings.device}
        file = Path(folder, "config.yaml")
        file.write_text(yaml.safe_dump(config))
        command = [
            sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow/Snakefile"),
            "--configfile", str(file), "--directory", folder, "--cores", "all", "--quiet", "all",
        ]  # fmt: skip
        start = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, timeout=clock.left())
        if done.returncode:
            raise RuntimeError(f"it failed: {(done.stderr.strip().splitlines() or [''])[-1]}")
        cells = read_table(Path(folder, "results/tables/cells.parquet"))
        report = Path(folder, "results/report.html").exists()
        return {
            "seconds": time.monotonic() - start,
            "report": report,
            "cells": cells[["size", "epsilon", "status", "precision", "device", "seconds"]].to_dict(
                "records"
            ),
        }


PARTS: dict[str, Callable[[argparse.Namespace, Clock, list[str]], Any]] = {
    "tests": run_tests,
    "twice": same_cell_twice,
    "steps": time_steps,
    "together": cells_together,
    "sweep": small_sweep,
}

if __name__ == "__main__":
    sys.exit(main())
