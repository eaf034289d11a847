"""Several cells at once on one device, for ``gpu.py``."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import processes

SERVICE = "nvidia-cuda-mps-control"
SERVICE_SECONDS = 20.0
# What processes may take beside the seconds that they train for: to load, and to make four steps.
START_SECONDS = 90


def cells_together(
    settings: argparse.Namespace, clock: processes.Clock, skipped: list[str], failed: list[str]
) -> Iterator[dict[str, Any]]:
    """Yield the images per second of 1, 2, ... processes that train beside one another.

    A GPU computes for one process at a time, unless NVIDIA's Multi-Process Service lets them share
    it: measured without its server, and with one that starts here.
    """
    for shared in (False, True):
        with contextlib.ExitStack() as stack:
            environment = dict(os.environ)
            try:
                if shared:
                    environment |= stack.enter_context(multi_process_service(settings, skipped))
            except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
                skipped.append(f"cells at once, with {SERVICE}: {error}")
                return
            for count in settings.cells:
                what = f"{count} cells at once{f', with {SERVICE}' if shared else ''}"
                try:
                    speed = _together(settings, count, clock, environment)
                except (processes.TooLateError, subprocess.TimeoutExpired):
                    skipped.append(f"{what}: no time was left")
                except (OSError, RuntimeError) as error:
                    (failed if processes.is_failure(error) else skipped).append(f"{what}: {error}")
                else:
                    yield {"cells": count, "service": shared, "images_per_second": speed}


@contextlib.contextmanager
def multi_process_service(
    settings: argparse.Namespace, skipped: list[str]
) -> Iterator[dict[str, str]]:
    """Start a service and yield the variables by which processes use it.

    Raises RuntimeError or subprocess.TimeoutExpired where there is none, or it does not start.
    """
    if settings.device == "cpu" or not shutil.which(SERVICE):
        raise RuntimeError("it is not there")
    with tempfile.TemporaryDirectory() as folder:
        places = {f"CUDA_MPS_{kind}_DIRECTORY": folder for kind in ("PIPE", "LOG")}
        # not in a group of its own that ends with the command: it stays as a daemon
        call = {"env": {**os.environ, **places}, "text": True, "timeout": SERVICE_SECONDS}
        started = subprocess.run([SERVICE, "-d"], stdin=subprocess.DEVNULL, **call)
        if started.returncode:
            raise RuntimeError(f"it ended with code {started.returncode}")
        try:
            yield places
        finally:
            try:
                subprocess.run([SERVICE], input="quit", **call)
            except subprocess.TimeoutExpired:
                skipped.append(f"the end of {SERVICE}: it still runs")


def _together(
    settings: argparse.Namespace, count: int, clock: processes.Clock, environment: dict[str, str]
) -> float:
    command = [
        sys.executable, str(Path(__file__).with_name("gpu_cell.py")), "steps",
        "--network", settings.network, "--size", str(settings.sizes[0]),
        "--batch-size", str(settings.batch_size), "--device", settings.device,
        "--seconds", str(settings.seconds),
    ]  # fmt: skip
    if settings.width:
        command += ["--width", str(settings.width)]
    row = processes.Clock(clock.left(settings.seconds + START_SECONDS) / 60)
    numbered = [[*command, "--number", str(number)] for number in range(count)]
    with contextlib.ExitStack() as workers:
        started = [processes.start(worker, None, environment) for worker in numbered]
        for worker in started:
            workers.callback(processes.end, worker)
        done = [processes.finish(worker, row.left()) for worker in started]
    return common_rate([json.loads(processes.output(one)) for one in done]) * settings.batch_size


def common_rate(workers: list[dict[str, Any]]) -> float:
    """Return the steps per second of all together, while all of them trained.

    Each tells when it started and when each of its steps was done, by one clock. Raises
    RuntimeError where the last started after the first had ended.
    """
    start = max(worker["start"] for worker in workers)
    stop = min(worker["done"][-1] for worker in workers)
    if stop <= start:
        raise RuntimeError("the last started after the first had ended; train for more --seconds")
    return sum(start < moment <= stop for w in workers for moment in w["done"]) / (stop - start)
