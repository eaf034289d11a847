"""A cell's work and memory from its settings alone, for schedulers; imports no torch.

Rough on purpose: a cell that outlives its time is warned, checkpointed and continued.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from advdim.catalogue import attacks as catalogue
from advdim.catalogue.methods import training_passes
from advdim.config import Config
from advdim.config.sweep import Experiment
from advdim.config.training import Measurement
from advdim.results import Result
from advdim.sweep import Cell, experiments_by_cell

# Classes of estimated duration in seconds: cells of one class share a cluster's jobs. How many do
# is said by the profile's group-components.
GROUPS = {"seconds": 60.0, "minutes": 600.0}
# Beside the attack's steps: 2.5 with a random start, 1.5 where the first step's gradient is there.
MEASURING_PASSES = 2.0
# Share of images that are attacked twice, since their prediction is wrong: assumed.
WRONG_SHARE = 0.3
# Of a dataset that is not looked into yet.
USUAL_CLASSES = 10
# Of the bounds that linearise layer by layer, per image.
BOUND_PASSES = 300.0
# What a forward and backward pass of a batch costs a processor beside its arithmetic, in seconds.
PASS_OVERHEAD = 2e-3
# float32, and some eight copies of an activation alive in a measurement's backward pass.
BYTES_PER_ACTIVATION = 4 * 8
# Peak float32 arithmetic without tensor cores (no TF32: whatever is measured is float32),
# in 1e12 operations per second, from NVIDIA's data sheets; a multiply-add is two operations.
GPU_TERAFLOPS = {
    "t4": 8.1,
    "v100": 15.7,
    "a100": 19.5,
    "l40s": 91.6,
    "rtx3090": 35.6,
    "rtx4090": 82.6,
    "h100": 67.0,
    "h200": 67.0,
}
# Share of the peak that training reaches in float32, and the overhead of a pass that a recording
# launches: measured on one H100, maxpool8 of 64 channels at 32 to 128 pixels (docs/speed.md).
GPU_UTILISATION = 0.19
GPU_PASS_OVERHEAD = 7e-4


@dataclass(frozen=True)
class Footprint:
    """What one image costs in one forward pass."""

    multiply_adds: float
    activations: float


def footprint(config: Config, cell: Cell) -> Footprint:
    """Count a network's multiply-adds and activations."""
    channels = config.datasets[cell.dataset].usual_channels
    return Footprint(*config.networks[cell.network].counts(channels, cell.size))


def training_seconds(config: Config, cell: Cell, overhead: float = PASS_OVERHEAD) -> float:
    """Estimate a cell's seconds at ``multiply_adds_per_second`` of the configuration.

    ``overhead`` is that of one pass of a batch, in seconds.
    """
    settings, dataset = (
        config.training_of(cell.dataset, cell.network),
        config.datasets[cell.dataset],
    )
    train, test = dataset.image_counts()
    passes = training_passes(cell.method, getattr(config.methods, cell.method))
    measured = 1 + sum(settings.measured(epoch) for epoch in range(settings.epochs))
    per_measurement = 2 * min(settings.measurement.images or test, test)
    trained = train * settings.epochs * passes
    images = measured * per_measurement * measuring_passes(settings.measurement)
    return _seconds(config, cell, trained, settings.batch_size, overhead) + _seconds(
        config, cell, images, settings.measurement.batch_size, overhead
    )


def measuring_passes(settings: Measurement) -> float:
    """Count the passes per image of one measurement."""
    return MEASURING_PASSES + settings.steps * (1 + WRONG_SHARE)


def attack_passes(config: Config, cell: Cell, attack: str) -> float:
    """Count the passes of one evaluation attack over all images of a cell."""
    settings, dataset = config.attacks, config.datasets[cell.dataset]
    _, test = dataset.image_counts()
    passes = catalogue.attack_passes(
        attack, getattr(settings.options, attack), 1 + len(settings.thresholds)
    )
    return passes * min(settings.images or test, test)


def attack_seconds(
    config: Config, cell: Cell, attack: str, overhead: float = PASS_OVERHEAD
) -> float:
    """Estimate the seconds of one evaluation attack on a cell, at the configured rate."""
    passes = attack_passes(config, cell, attack)
    return _seconds(config, cell, passes, config.attacks.batch_size, overhead)


def _seconds(
    config: Config, cell: Cell, images: float, batch_size: int, overhead: float = PASS_OVERHEAD
) -> float:
    """Return the seconds of that many images' passes, each a forward and a backward."""
    arithmetic = images * 2 * footprint(config, cell).multiply_adds
    return arithmetic / config.multiply_adds_per_second + overhead * images / batch_size


def gpu_multiply_adds_per_second(gpu: str) -> float:
    """Return the rate that a GPU is taken to reach in training."""
    return GPU_TERAFLOPS[gpu] * 1e12 / 2 * GPU_UTILISATION


def groups_of_cells(config: Config) -> dict[Cell, str | None]:
    """Return the class of every cell's duration, its attacks and bounds included; None: alone."""
    known: dict[tuple[object, ...], str | None] = {}
    groups = {}
    for cell, names in experiments_by_cell(config).items():
        # Strength and seed cost nothing.
        kind = (cell.dataset, cell.network, cell.size, cell.method, *names)
        if kind not in known:
            experiments = [config.experiments[name] for name in names]
            seconds = _seconds_with_all(config, cell, experiments)
            classes = (name for name, limit in GROUPS.items() if seconds <= limit)
            known[kind] = next(classes, None)
        groups[cell] = known[kind]
    return groups


def _seconds_with_all(config: Config, cell: Cell, experiments: Sequence[Experiment]) -> float:
    attacks = {attack for experiment in experiments for attack in experiment.attacks}
    seconds = training_seconds(config, cell)
    seconds += sum(attack_seconds(config, cell, attack) for attack in attacks)
    if any(experiment.bounds for experiment in experiments):
        seconds += bound_seconds(config, cell)
    return seconds


def resources_of(config: Config, result: Result, attempt: int) -> dict[str, int]:
    """Return what to ask a scheduler for: memory in MB, minutes, and memory of a GPU in MB."""
    stage = result.stage
    if stage == "pixels":
        return {"mem_mb": 4000, "runtime": 60 * attempt, "gpu_mb": 0}
    if stage == "initialisation":
        seconds = initialisation_seconds(config, **result.wildcards)
        return {
            "mem_mb": 4000,
            "runtime": max(60 * attempt, minutes(seconds, attempt)),
            "gpu_mb": 0 if config.device == "cpu" else 4000,
        }
    cell = result.cell
    memory = memory_megabytes(config, cell, attempt, stage)
    if stage == "bounds":
        return {
            "mem_mb": 2000 + memory,
            "runtime": minutes(bound_seconds(config, cell), attempt),
            "gpu_mb": 0,
        }
    seconds = (
        training_seconds(config, cell)
        if stage == "train"
        else attack_seconds(config, cell, result.wildcards["attack"])
    )
    return {
        "mem_mb": memory,
        "runtime": minutes(seconds, attempt),
        "gpu_mb": gpu_megabytes(config, cell, attempt, stage),
    }


def bound_seconds(config: Config, cell: Cell) -> float:
    """Estimate the seconds of a cell's lower bounds, at the configured rate."""
    _, test = config.datasets[cell.dataset].image_counts()
    images = min(max(config.bounds.limits(test).values()), test)
    return _seconds(config, cell, images * BOUND_PASSES, 1)


def initialisation_seconds(config: Config, experiment: str, network: str) -> float:
    """Estimate the seconds of an architecture's fresh networks, at the configured rate."""
    settings = config.initialisation[experiment]
    classes = config.datasets[settings.dataset].usual_classes() or USUAL_CLASSES
    # One forward and a backward pass per class, with ties and without.
    images = len(settings.seeds) * settings.images * (1 + classes)
    return sum(
        _seconds(config, Cell(settings.dataset, network, size, "none", "0", 0), images, 1)
        for size in settings.sizes
    )


def minutes(seconds: float, attempt: int) -> int:
    """Return the minutes to ask for: twice the estimate and five, more at each attempt.

    What outlives them is warned two minutes before, writes its state, and goes on in the next
    attempt; the other three are for the start of a job on a slow file system.
    """
    return math.ceil(attempt * (5 + 2 * seconds / 60))


def gpu_megabytes(config: Config, cell: Cell, attempt: int, stage: str = "train") -> int:
    """Return the GPU memory to share out: the driver's context, and what else a cell holds."""
    return 0 if config.device == "cpu" else memory_megabytes(config, cell, attempt, stage)


def memory_megabytes(config: Config, cell: Cell, attempt: int, stage: str = "train") -> int:
    """Return the memory to ask for: the program, the pixels, and one batch's activations."""
    settings, dataset = (
        config.training_of(cell.dataset, cell.network),
        config.datasets[cell.dataset],
    )
    edge = min(cell.size, dataset.native_edge or cell.size)
    pixels = 3 * sum(dataset.image_counts()) * dataset.usual_channels * edge**2
    batch = max(settings.batch_size, settings.measurement.batch_size)
    if stage == "attack":
        _, test = dataset.image_counts()
        batch = max(batch, min(config.attacks.batch_size, config.attacks.images or test))
    activations = BYTES_PER_ACTIVATION * batch * footprint(config, cell).activations
    return math.ceil(attempt * (1500 + (pixels + activations) / 1e6))
