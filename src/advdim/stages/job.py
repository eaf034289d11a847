"""One job: make a result that is not current, whatever happened before and whatever happens now."""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from advdim.config import Config
from advdim.files import DiskFullError, atomic, clear_unfinished_file, file_hash, write_json
from advdim.planning.costs import MOST_STARTS
from advdim.records import Record, failed_itself, read_record, same_inputs
from advdim.results import Result, code_hash, config_hash, inputs_of, is_current
from advdim.runs.provenance import commit, versions
from advdim.stages.logs import log_to
from advdim.stages.stopping import Stop
from advdim.stages.work import WORK, Job

log = logging.getLogger(__name__)
# In a result's unfinished folder: held by the process that works on it; written at its start; a
# training's state.
LOCK = "lock"
ENDED = "ended-{}"
STATES = "*/*.safetensors"
# Of RuntimeErrors of no type of their own: libraries that found no memory or no sound device.
OF_THE_GPU = re.compile(
    r"CUDA error|CU(BLAS|DNN)_STATUS_(ALLOC_FAILED|NOT_INITIALIZED|INTERNAL_ERROR)"
)
SECONDS_BETWEEN_LOOKS = 0.5


class GivenUpError(RuntimeError):
    """The process has ended too often during one result, without bringing it further."""


def make(
    config: Config,
    result: Result,
    *,
    revision: int = 0,
    threads: int = 1,
    gpu_megabytes: float = 0,
    forced: bool = False,
    run: str = "",
) -> None:
    """Make a result unless it is current; end at once where it is.

    ``gpu_megabytes`` is what to keep of a GPU for it, in MB. ``run`` names the run of the workflow:
    what it has made, or has seen fail, it does not make again, though it be ``forced``. Two
    processes never work on one result. A result that raises, or that has ended its process
    ``MOST_STARTS`` times without progress, is recorded as failed, with empty files; the latter goes
    on from its checkpoint in the next run. Errors of the machine (files, memory, the GPU) are
    raised, to be tried again.
    """
    stop = Stop()
    with log_to(result.log(config)), _alone(result.unfinished(config)):
        record, inputs = read_record(result.record(config)), inputs_of(config, result)
        if _is_made(config, result, record, inputs, forced, run):
            log.info("current: %s", result.name)
            _clear(result.unfinished(config), keep_state=bool(record and failed_itself(record)))
            return
        job = Job(config, result, threads, stop, inputs, gpu_megabytes)
        started = time.monotonic()
        _remove(job)
        outcome = _outcome(job)
        given_up = outcome.pop("given_up", False)
        made = {
            "status": "done",
            "error": None,
            "because": None,
            "seconds": time.monotonic() - started,
            **outcome,
            "revision": revision,
            "run": run,
            "config_hash": config_hash(config, result),
            "code_hash": code_hash(config, result),
            "inputs": inputs,
            "content": _content(job, outcome),
            "versions": versions(),
            "commit": commit(),
        }
        write_json(result.record(config), made)
        _clear(result.unfinished(config), keep_state=given_up)
        if failed_itself(made):
            seen = f"see {result.log(config)}"
            print(f"Failed, and recorded: {result.name}: {made['error']}; {seen}", file=sys.stderr)


def _is_made(
    config: Config,
    result: Result,
    record: Record | None,
    inputs: Mapping[str, str | None],
    forced: bool,
    run: str,
) -> bool:
    if not all(path.exists() for path in result.files(config).values()):
        return False
    in_this_run = bool(run and record and record["run"] == run and same_inputs(record, inputs))
    return in_this_run or (not forced and is_current(config, result, record, inputs))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process works on the result, as one that outlived its Snakemake does."""
    lock = FileLock(folder / LOCK)
    waited = False
    while not lock.is_locked:
        # Again each time: who has the lock removes the folder in the end.
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except (Timeout, FileNotFoundError):
            if not waited:
                log.warning("another process works on this result: waiting for it")
            waited = True
            time.sleep(SECONDS_BETWEEN_LOOKS)
        except (NotImplementedError, OSError) as error:
            log.warning("%s cannot be locked (%s): nothing keeps others away", folder, error)
            break
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        lock.release()


def _remove(job: Job) -> None:
    """Take away the files of before, the record first: half of them would be taken for a whole."""
    for path in reversed(job.files.values()):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        clear_unfinished_file(path)


def _outcome(job: Job) -> dict[str, Any]:
    """Do the stage's work and return what is recorded of it, whether it succeeded or failed."""
    statuses = _statuses(job)
    failed = next((parent for parent, status in statuses.items() if status == "failed"), None)
    if failed:
        because = f"{failed.stage} {failed.name}"
        log.warning("left out: %s has failed", because)
        return _empty(job, status="failed", error=f"{because} has failed", because=because)
    if "diverged" in statuses.values():
        log.info("the network has diverged: no rows")
        return _empty(job, status="done")
    try:
        return _with_starts_counted(job, WORK[job.result.stage])
    except Exception as error:
        if _is_of_the_machine(error):
            raise
        log.exception("%s failed", job.result.name)
        failure = _empty(job, status="failed", error=_one_line(error))
        return failure | {"given_up": isinstance(error, GivenUpError)}


def _statuses(job: Job) -> dict[Result, str]:
    """Return the recorded status of each result that this one is made from."""
    records = {p: read_record(p.record(job.config)) for p in job.result.parents(job.config)}
    return {parent: record["status"] for parent, record in records.items() if record}


def _with_starts_counted(job: Job, compute: Callable[[Job], dict[str, Any]]) -> dict[str, Any]:
    """Count the starts that never come to an end; raise GivenUpError after ``MOST_STARTS`` of them.

    Each leaves a file, until a checkpoint is written after it. What raises comes to an end, but for
    errors of the machine.
    """
    _forget_ends_before_progress(job.unfinished)
    before = sorted(job.unfinished.glob(ENDED.format("*")))
    if len(before) >= MOST_STARTS:
        last = before[-1].read_text()
        # A user who runs again gives it another chance.
        for path in before:
            path.unlink()
        raise GivenUpError(f"its process has ended {len(before)} times ({last})")
    this = job.unfinished / ENDED.format(len(before) + 1)
    _write_text(this, "killed, or out of memory")
    try:
        return compute(job)
    except Exception as error:
        _forget_ends_before_progress(job.unfinished)
        if isinstance(error, DiskFullError):
            this.unlink(missing_ok=True)
        elif this.exists() and _is_of_the_machine(error):
            _write_text(this, _one_line(error))
        raise
    except SystemExit:
        # Told to stop, which is no fault of the result.
        this.unlink()
        raise


def _forget_ends_before_progress(folder: Path) -> None:
    """Drop the files of starts after which a checkpoint has been written."""
    written = max((path.stat().st_mtime_ns for path in folder.glob(STATES)), default=0)
    for path in folder.glob(ENDED.format("*")):
        if path.stat().st_mtime_ns < written:
            path.unlink()


def _write_text(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text)


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or ["no message"]
    # CUDA says what went wrong first, and last how to compile with more checks.
    of_the_gpu = [line for line in lines if OF_THE_GPU.search(line)]
    return f"{type(error).__name__}: {(of_the_gpu or lines)[-1]}"


def _is_of_the_machine(error: Exception) -> bool:
    if isinstance(error, GivenUpError):
        # though it tells of one
        return False
    torch = sys.modules.get("torch")
    lost = (torch.AcceleratorError, torch.OutOfMemoryError) if torch else ()
    found = isinstance(error, RuntimeError) and OF_THE_GPU.search(str(error))
    return isinstance(error, (OSError, MemoryError, *lost)) or bool(found)


def _empty(job: Job, **outcome: object) -> dict[str, Any]:
    """Write what stands for files that nobody could make; those that are there stay."""
    for name, path in list(job.files.items())[:-1]:
        if path.exists():
            continue
        if path.suffix == ".parquet":
            from advdim.tables import write_table

            write_table(path, name, [])
        else:
            from advdim.tensor_files import write_tensors

            write_tensors(path, {}, {"status": outcome["status"]})
    return dict(outcome)


def _content(job: Job, outcome: Mapping[str, Any]) -> str:
    """Return the digest of what others are made from: the first of the result's files."""
    if outcome.get("status") == "failed":
        return "failed"
    return file_hash(next(iter(job.files.values())))


def _clear(folder: Path, *, keep_state: bool) -> None:
    """Remove a folder, and those above that held nothing else; not a state that is to be kept."""
    if keep_state and any(folder.glob(STATES)):
        return
    shutil.rmtree(folder, ignore_errors=True)
    for parent in folder.parents:
        with contextlib.suppress(OSError):
            parent.rmdir()
        if parent.name == "unfinished":
            return
