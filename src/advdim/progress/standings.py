"""Where every result of a sweep stands at this moment, while other processes work on some."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from advdim.config import Config
from advdim.records import Record, failed_itself, read_record
from advdim.results import Result, all_results, config_hash, inputs_of, is_current, is_older
from advdim.stages.job import ENDED, LOCK

# ``left out``: what it would be made from has failed. ``stopped``: to be continued.
STATES = ("done", "diverged", "failed", "left out", "running", "stopped", "waiting")
MADE = {"done", "diverged", "failed", "left out"}
OF_A_NETWORK = {"attack", "bounds"}
# From the end of a log: hundreds of epochs.
BYTES_READ = 2**16
STARTED = re.compile(r"INFO training \S+ on ")
RESUMED = re.compile(r"INFO resumed at batch \d+ of epoch (\d+)")
FINISHED = re.compile(r"INFO \w+ after [\d,]+ epochs?, ")
EPOCH = re.compile(r"INFO epoch (\d+)/\d+: .* ([\d.]+) s$", re.MULTILINE)


@dataclass(frozen=True)
class Training:
    """How far a training has come: epochs behind it of those it has, and the seconds they took.

    ``seconds`` is None where none has ended since the last start.
    """

    done: int
    epochs: int
    seconds: float | None = None


@dataclass(frozen=True)
class Standing:
    """Where one result stands: a state of ``STATES``, and what is known beside it.

    ``outdated``: it waits, since it is of other settings, code or inputs. ``older``: a network of
    older code, which is kept. ``seconds``: since the process that works on it began.
    """

    result: Result
    state: str
    record: Record | None = None
    outdated: bool = False
    older: bool = False
    seconds: float = 0.0
    training: Training | None = None


def standings(config: Config) -> list[Standing]:
    """Return where each result of a sweep stands, in the order in which they are made.

    Pixels that are not there and that nothing waits for are left out.
    """
    found = list(_standings(config))
    unmade = [s.result for s in found if s.state not in MADE]
    needed = {parent for result in unmade for parent in result.parents(config)}
    return [s for s in found if s.result.stage != "pixels" or s.record or s.result in needed]


def _standings(config: Config) -> Iterator[Standing]:
    begun = set(_begun(config))
    # What others are made from is read once, and settings are the same for all of a kind.
    read, of_kind = cache(read_record), cache(partial(config_hash, config))

    def recorded(result: Result) -> Standing:
        return _recorded(config, result, read, lambda _, result: of_kind(result.kind))

    untrained = set()
    for result in all_results(config):
        folder = result.unfinished(config) if begun else None
        if folder is None or folder not in begun:
            standing = recorded(result)
        elif is_worked_on(folder):
            seconds, training = _seconds_since_start(folder), _training(config, result)
            standing = Standing(result, "running", seconds=seconds, training=training)
        else:
            standing = recorded(result)
            if standing.state == "waiting":
                standing = Standing(result, "stopped", training=_training(config, result))
        if result.stage == "train" and standing.state not in MADE:
            untrained.add(result.cell)
        # What is made of a network is made again with it.
        if result.stage in OF_A_NETWORK and standing.state in MADE and result.cell in untrained:
            standing = Standing(result, "waiting", standing.record, outdated=True)
        yield standing


def is_worked_on(folder: Path) -> bool:
    """Tell whether a process works on the result of an unfinished folder; takes no lock away.

    A file system without locks cannot tell: False.
    """
    try:
        with open(folder / LOCK) as file:
            # Shared, so that two who look do not see each other.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        return False
    return False


def _begun(config: Config) -> Iterator[Path]:
    """Yield the folders of all results that some process has begun and none has finished."""
    for folder, _, files in os.walk(Path(config.results, "unfinished")):
        if LOCK in files:
            yield Path(folder)


def _recorded(
    config: Config,
    result: Result,
    read: Callable[[Path], Record | None],
    settings: Callable[[Config, Result], str],
) -> Standing:
    record = read(result.record(config))
    if record is None:
        return Standing(result, "waiting")
    if failed_itself(record):
        return Standing(result, "failed", record)
    if not is_current(config, result, record, inputs_of(config, result, read), settings):
        return Standing(result, "waiting", record, outdated=True)
    state = "left out" if record["status"] == "failed" else record["status"]
    return Standing(result, state, record, older=is_older(config, result, record))


def _seconds_since_start(folder: Path) -> float:
    starts = (path.stat().st_mtime for path in folder.glob(ENDED.format("*")))
    try:
        return max(0.0, time.time() - max(starts))
    except (ValueError, FileNotFoundError):
        # Not begun yet, or finished meanwhile.
        return 0.0


def _training(config: Config, result: Result) -> Training | None:
    """Read from its log how far the training has come that began last."""
    if result.stage != "train":
        return None
    epochs = config.training_of(result.cell.dataset, result.cell.network).epochs
    text = _end_of(result.log(config))
    started = [match.end() for match in STARTED.finditer(text)]
    if started:
        text = text[started[-1] :]
    if FINISHED.search(text):
        # That was the training before: this one has yet to say something.
        return Training(0, epochs)
    if ended := EPOCH.findall(text):
        return Training(int(ended[-1][0]), epochs, float(ended[-1][1]))
    resumed = RESUMED.search(text)
    return Training(int(resumed[1]) - 1 if resumed else 0, epochs)


def _end_of(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - BYTES_READ))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
