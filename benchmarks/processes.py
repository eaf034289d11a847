"""Processes that end with all they started, in the time there is."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class NotThereError(ValueError):
    """The device has not what a measurement needs."""


class TooLateError(Exception):
    """No time is left for this."""


class FailedError(RuntimeError):
    """A process ended with an error; its message is the last line that the process said."""


class Clock:
    """What is left of some minutes."""

    def __init__(self, minutes: float) -> None:
        self.end = time.monotonic() + 60 * minutes

    def left(self, at_most: float = float("inf")) -> float:
        """Return the seconds left, cut to ``at_most``; raises TooLateError where there are none."""
        seconds = self.end - time.monotonic()
        if seconds <= 0:
            raise TooLateError("no time was left")
        return min(seconds, at_most)


def run(
    command: Sequence[str],
    seconds: float | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return its code and all that it said.

    Raises subprocess.TimeoutExpired, with what it had said, when it has not ended in these seconds.
    """
    return finish(start(command, folder, environment), seconds)


def start(
    command: Sequence[str],
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Start a command in a group of its own."""
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(
    process: subprocess.Popen[str], seconds: float | None
) -> subprocess.CompletedProcess[str]:
    """Wait for a process of ``start`` and return what ``run`` does; raises as ``run`` does."""
    try:
        said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        end(process)
        error.stdout, error.stderr = process.communicate()
        raise
    finally:
        end(process)
    return subprocess.CompletedProcess(process.args, process.returncode, *said)


def is_failure(error: Exception) -> bool:
    """Tell a fault of the code from a want of time, of memory, or of what a device can do."""
    wanting = isinstance(error, NotThereError | TooLateError | subprocess.TimeoutExpired)
    return not wanting and "out of memory" not in str(error)


def end(process: subprocess.Popen[str]) -> None:
    """Kill what still runs of a process and of all that it started."""
    # what it started outlives it, and holds its pipes open
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def output(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a process printed; raises FailedError where it ended with an error."""
    if done.returncode:
        raise FailedError(complaint(done))
    return done.stdout


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """Return the line that says why a process ended with an error."""
    lines = (done.stdout + done.stderr).splitlines()
    # what follows it says how to compile with more checks
    return next((line for line in reversed(lines) if "CUDA error" in line), last_line(done))


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line of what a process complained of, or printed, or its code."""
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[-1] if lines else f"it ended with code {done.returncode}"
