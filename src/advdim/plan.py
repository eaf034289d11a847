"""The plan before the bill: what a sweep would run, for how long, and what it already has."""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from advdim.config import Config
from advdim.config.data import Augmentation
from advdim.data.batches import Batches
from advdim.data.pixels import Pixels
from advdim.measures import measure
from advdim.networks.build import Shape, build
from advdim.provenance import hardware, training_code
from advdim.streams import stream
from advdim.sweep import Cell, digest, experiments_by_cell, training_settings
from advdim.training.regularisers import objective
from advdim.units import Normalisation

# Images that are timed together hold about this many pixels: seconds on any processor.
TIMED_PIXELS = 32 * 32 * 32


@dataclass(frozen=True)
class StepTimes:
    """Measured seconds per image of one training step and of one measurement."""

    training: float
    measuring: float


def make_plan(config: Config) -> str:
    """Return, as text, cells to run and done, hours on this processor, disk, and stale cells.

    A step of every (dataset, network, size, method) is timed here and now; nothing is assumed.
    """
    cells = list(experiments_by_cell(config))
    done, stale = _recorded(config, cells)
    waiting = [cell for cell in cells if cell not in done]
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        times = {kind: _time_steps(config, *kind) for kind in dict.fromkeys(map(_kind, waiting))}
    finally:
        torch.set_num_threads(threads)
    seconds = {cell: _seconds(config, cell, times[_kind(cell)]) for cell in waiting}
    lines = [
        f"{len(cells)} cells: {len(done)} done, {len(waiting)} to train.",
        f"{_hours(sum(seconds.values()))} of one worker with {config.threads} thread(s) on "
        f"{hardware('cpu')}, measured now; the longest cell takes "
        f"{_hours(max(seconds.values(), default=0.0))}.",
        *_by_size(seconds),
        f"{_disk(config, cells) / 1e6:,.0f} MB of pixels and networks on disk in the end.",
        *_other_devices(done),
    ]
    if stale:
        lines.append(f"{len(stale)} cells were trained by older code and are kept:")
        lines += [f"  {cell.directory}" for cell in stale]
    return "\n".join(lines)


def _kind(cell: Cell) -> tuple[str, str, int, str]:
    return cell.dataset, cell.network, cell.size, cell.method


def _recorded(config: Config, cells: list[Cell]) -> tuple[dict[Cell, dict], list[Cell]]:
    """Return the records of cells that are done under these settings, and the stale ones."""
    done: dict[Cell, dict] = {}
    for cell in cells:
        path = Path(config.results, "cells", cell.directory, "run.json")
        if path.exists():
            run = json.loads(path.read_text())
            if run["config_hash"] == digest(training_settings(config, cell)):
                done[cell] = run
    current = training_code()
    return done, [cell for cell, run in done.items() if run["training_code"] != current]


def _time_steps(config: Config, dataset: str, network: str, size: int, method: str) -> StepTimes:
    settings = config.training_of(dataset, network)
    count = max(2, min(settings.batch_size, TIMED_PIXELS // size**2))
    channels = config.datasets[dataset].usual_channels
    pixels = _noise(count, channels, size)
    module = build(config.networks[network], Shape(channels, size, 10), stream("plan"))
    function = objective(method, getattr(config.methods, method).model_dump())
    random = stream("plan")

    def train() -> None:
        ((inputs, labels),) = Batches(pixels, "train").shuffled(count, Augmentation(), random)
        function(module, inputs, labels, 0.01, random=random).backward()

    def measure_once() -> None:
        batches = Batches(pixels, "train").ordered(count)
        measure(module, batches, settings.measurement, 0.01, stream("noise"), random)

    return StepTimes(_best_of(train) / count, _best_of(measure_once) / count)


def _noise(count: int, channels: int, size: int) -> Pixels:
    images = torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8)
    labels = torch.randint(0, 10, (count,))
    unit = Normalisation((0.5,) * channels, (0.2,) * channels)
    return Pixels({"train": images}, {"train": labels}, [str(k) for k in range(10)], unit, 1)


def _best_of(run: object, repeats: int = 2) -> float:
    """Return the shortest of some runs, after one that warms up."""
    assert callable(run)
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def _seconds(config: Config, cell: Cell, times: StepTimes) -> float:
    settings, dataset = (
        config.training_of(cell.dataset, cell.network),
        config.datasets[cell.dataset],
    )
    train, test = dataset.image_counts()
    trained = train * (1 - dataset.validation_fraction) * settings.epochs
    measured = 1 + sum(settings.measured(epoch) for epoch in range(settings.epochs))
    images = 2 * min(settings.measurement.images or test, test)
    return trained * times.training + measured * images * times.measuring


def _by_size(seconds: dict[Cell, float]) -> Iterator[str]:
    groups: dict[tuple[str, int], list[float]] = defaultdict(list)
    for cell, estimate in seconds.items():
        groups[cell.network, cell.size].append(estimate)
    for (network, size), estimates in groups.items():
        total = _hours(sum(estimates))
        yield f"  {network} at {size} pixels: {len(estimates)} cells, {total}"


def _other_devices(done: dict[Cell, dict]) -> Iterator[str]:
    spent: dict[str, list[float]] = defaultdict(list)
    for run in done.values():
        spent[run["device"]].append(run["seconds"])
    for device, seconds in spent.items():
        yield f"Done so far on {device}: {len(seconds)} cells, {_hours(sum(seconds))}."


def _disk(config: Config, cells: list[Cell]) -> float:
    """Return bytes: uint8 pixels as stored, and float32 weights of every network."""
    pixels = 0
    for name, size in {(cell.dataset, cell.size) for cell in cells}:
        dataset = config.datasets[name]
        edge = min(size, dataset.native_edge or size)
        pixels += sum(dataset.image_counts()) * dataset.usual_channels * edge**2
    weights = 0
    for name, size in {(cell.network, cell.size) for cell in cells}:
        module = build(config.networks[name], Shape(3, size, 10), stream("plan"))
        count = sum(1 for cell in cells if (cell.network, cell.size) == (name, size))
        weights += 4 * count * sum(p.numel() for p in module.parameters())
    return pixels + weights


def _hours(seconds: float) -> str:
    if seconds < 120:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:,.1f} hours"
