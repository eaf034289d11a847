"""Which GPU of a machine a job takes: a free one, or one with room beside other jobs."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)
SECONDS_BETWEEN_LOOKS = 0.5


class NoDeviceError(OSError):
    """The device that the configuration asks for is not there."""


@dataclass(frozen=True)
class Gpu:
    """A GPU that this process may use, by its number here and its identity on the machine."""

    number: int
    identity: str
    megabytes: float


@contextlib.contextmanager
def device(wanted: str, megabytes: float) -> Iterator[str]:
    """Yield ``cpu``, or the GPU that has ``megabytes`` to spare, kept for this job until the end.

    ``wanted`` is that of the configuration. Raises NoDeviceError where a wanted GPU is not there.
    """
    if wanted == "cpu":
        yield "cpu"
        return
    gpus = visible_gpus()
    if not gpus:
        if wanted == "cuda":
            raise NoDeviceError("Config key 'device' is 'cuda', but no CUDA device is available.")
        yield "cpu"
        return
    with reserved(gpus, megabytes) as gpu:
        yield f"cuda:{gpu.number}"


def visible_gpus() -> list[Gpu]:
    """Return the GPUs that ``CUDA_VISIBLE_DEVICES`` leaves to this process."""
    import torch

    from advdim.stages.machine import fix_cublas

    # asking for the devices starts CUDA
    fix_cublas()
    if not torch.cuda.is_available():
        return []
    found = []
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        found.append(Gpu(number, str(properties.uuid), properties.total_memory / 1e6))
    return found


@contextlib.contextmanager
def reserved(gpus: Sequence[Gpu], megabytes: float, folder: Path | None = None) -> Iterator[Gpu]:
    """Yield the GPU with most memory to spare; wait while none has enough.

    A reservation is a locked file in ``folder``; when its process ends, however, so does the lock.
    A job that asks for more than any GPU has gets one to itself.
    """
    folder = folder or Path(tempfile.gettempdir(), f"advdim-gpus-{os.getuid()}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    waited = False
    while True:
        with FileLock(folder / "all.lock"):
            taken = {gpu: _reservations(folder, gpu) for gpu in gpus}
            gpu = max(gpus, key=lambda gpu: gpu.megabytes - sum(taken[gpu]))
            if not taken[gpu] or sum(taken[gpu]) + megabytes <= gpu.megabytes:
                name = f"{gpu.identity}={megabytes:.0f}={os.getpid()}-{time.monotonic_ns()}"
                own = FileLock(folder / name)
                own.acquire()
                break
        if not waited:
            log.info("waiting for %.0f MB on one of %d GPUs", megabytes, len(gpus))
            waited = True
        time.sleep(SECONDS_BETWEEN_LOOKS)
    try:
        yield gpu
    finally:
        own.release()
        Path(own.lock_file).unlink(missing_ok=True)


def _reservations(folder: Path, gpu: Gpu) -> list[float]:
    """Return the megabytes of every job on a GPU; forget those whose process has ended."""
    found = []
    for file in folder.glob(f"{gpu.identity}=*"):
        try:
            with FileLock(file, timeout=0):
                file.unlink(missing_ok=True)
        except Timeout:
            found.append(float(file.name.split("=")[1]))
    return found
