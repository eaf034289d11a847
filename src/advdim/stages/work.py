"""The work of each stage as one function of its job: files in, files out, and what is recorded.

Importing this loads none of the stages, so that a job whose result is current ends at once.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advdim.config import Config
from advdim.data.contents import Contents
from advdim.results import Result, computation, weights_of
from advdim.runs.provenance import hardware
from advdim.stages.devices import device
from advdim.stages.stopping import Stop
from advdim.stages.watchdog import watched

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What the function of a stage gets: the result to make, of what, where to go on, with what.

    ``inputs`` are those of ``advdim.results.inputs_of``; ``gpu_megabytes`` is the memory of a GPU
    to keep for it, in MB.
    """

    config: Config
    result: Result
    threads: int
    stop: Stop
    inputs: Mapping[str, str | None]
    gpu_megabytes: float = 0

    @property
    def files(self) -> dict[str, Path]:
        """The files to write, by name."""
        return self.result.files(self.config)

    @property
    def unfinished(self) -> Path:
        """The folder that is there again when another job goes on."""
        return self.result.unfinished(self.config)

    def checkpoints(self, device: str) -> Path:
        """Return the folder of states of this very computation, on such a device."""
        return self.unfinished / computation(self.config, self.result, self.inputs, device)

    def parent(self, stage: str) -> dict[str, Path]:
        """Return the files of the result of an earlier stage that this one is made from."""
        parents = self.result.parents(self.config)
        return next(parent for parent in parents if parent.stage == stage).files(self.config)

    @contextlib.contextmanager
    def device(self) -> Iterator[str]:
        """Yield the device to compute on."""
        with device(self.config.device, self.gpu_megabytes) as name:
            yield name


def _pixels(job: Job) -> dict[str, Any]:
    from advdim.stages.pixels import prepare_pixels

    values = job.result.wildcards
    images = Contents.of(job.config.datasets[values["dataset"]]).record()
    size, output = int(values["size"]), job.files["pixels"]
    account = prepare_pixels(job.config, values["dataset"], size, output, job.threads)
    return {"images_as_seen": images, "account": account}


def _train(job: Job) -> dict[str, Any]:
    from advdim.stages.train import train_cell
    from advdim.training.loop import Interrupted

    with (
        job.device() as name,
        watched(job.config.hang_minutes, job.result.log(job.config)) as progress,
        job.stop.awaited(),
    ):

        def stop_requested() -> bool:
            progress()
            return job.stop.requested()

        try:
            outcome = train_cell(
                job.config,
                job.result.cell,
                job.parent("pixels")["pixels"],
                job.files,
                job.checkpoints(name),
                device=name,
                threads=job.threads,
                stop_requested=stop_requested,
            )
        except Interrupted:
            log.warning("stopped; the next run continues from here")
            print(f"Stopped, to be continued: {job.result.name}", file=sys.stderr)
            job.stop.end()
        weights = weights_of(job.config, job.result)
        seen = {"weights_as_seen": weights.record()} if weights else {}
        return {**outcome, **seen, "device": hardware(name)}


def _attack(job: Job) -> dict[str, Any]:
    from advdim.stages.attack import attack_cell

    with job.device() as name:
        attack_cell(
            job.config,
            job.result.cell,
            job.result.wildcards["attack"],
            job.parent("train")["network"],
            job.parent("pixels")["pixels"],
            job.files["attacks"],
            device=name,
            threads=job.threads,
        )
        return {"device": hardware(name)}


def _bounds(job: Job) -> dict[str, Any]:
    from advdim.stages.bounds import bound_cell

    network, pixels = job.parent("train")["network"], job.parent("pixels")["pixels"]
    output = job.files["bounds"]
    bound_cell(job.config, job.result.cell, network, pixels, output, threads=job.threads)
    return {"device": hardware("cpu")}


def _initialisation(job: Job) -> dict[str, Any]:
    from advdim.stages.initialisation import measure_at_initialisation

    values = job.result.wildcards
    pixels = [p.files(job.config)["pixels"] for p in job.result.parents(job.config)]
    with job.device() as name:
        measure_at_initialisation(
            job.config,
            values["experiment"],
            values["network"],
            pixels,
            job.files["initialisation"],
            device=name,
            threads=job.threads,
        )
        return {"device": hardware(name)}


WORK: dict[str, Callable[[Job], dict[str, Any]]] = {
    "pixels": _pixels,
    "train": _train,
    "attack": _attack,
    "bounds": _bounds,
    "initialisation": _initialisation,
}
