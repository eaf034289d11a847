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
# Bytes per image of a batch and activation (two per output of a convolution) that a gradient with
# respect to the input holds, and a training step: a third more than what processes grow by from 32
# to 128 pixels (docs/speed.md), 9 under an attack; 9 without a method, 17 with grad_l1.
BYTES_MEASURING = 12
BYTES_TRAINING = 24
# A graph per class, of ten.
BYTES_OF_METHOD = {"cross_lipschitz": 96}
# In MB: the program where it computes; the host of one on a GPU, with CUDA's libraries; the layers
# that bounds linearise.
PROGRAM = 1500
HOST_OF_GPU = 4000
LINEARISED = 2000
# Starts that work on a result and bring it no further, after which it counts as failed. A profile's
# ``retries`` are as many: the last start finds that all were killed, and records it.
MOST_STARTS = 3
# Minutes for the start of a job on a slow file system, and the two before its end in which it may
# write its state. Members of a group share those of the networks among them: the start of one takes
# seconds.
MINUTES_ALONE = 5.0
MINUTES_OF_MEMBER = {"train": 2.0, "initialisation": 2.0, "attack": 0.5, "bounds": 0.5}
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
    settings = config.training_of(cell.dataset, cell.network)
    passes = training_passes(cell.method, getattr(config.methods, cell.method))
    trained = trained_images(config, cell) * passes
    measured = measured_images(config, cell) * measuring_passes(settings.measurement)
    return _seconds(config, cell, trained, settings.batch_size, overhead) + _seconds(
        config, cell, measured, settings.measurement.batch_size, overhead
    )


def trained_images(config: Config, cell: Cell) -> float:
    """Count the images of a cell's training steps in all epochs, those for validation left out."""
    dataset = config.datasets[cell.dataset]
    train, _ = dataset.image_counts()
    epochs = config.training_of(cell.dataset, cell.network).epochs
    return train * (1 - dataset.validation_fraction) * epochs


def measured_images(config: Config, cell: Cell) -> int:
    """Count the images of all of a cell's measurements, of both splits."""
    settings = config.training_of(cell.dataset, cell.network)
    _, test = config.datasets[cell.dataset].image_counts()
    measurements = 1 + sum(settings.measured(epoch) for epoch in range(settings.epochs))
    return measurements * 2 * min(settings.measurement.images or test, test)


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


def resources_of(
    config: Config, result: Result, attempt: int, alone: bool = True
) -> dict[str, int]:
    """Return what to ask a scheduler for: memory in MB, minutes, and memory of a GPU in MB.

    ``attempt`` counts from 1; from ``MOST_STARTS`` on requests grow no more. ``alone``: the result
    has a job of its own, and does not share one with a group.
    """
    attempt, stage = min(attempt, MOST_STARTS), result.stage
    seconds = estimated_seconds(config, result)
    if seconds is None:
        return {"mem_mb": 4000, "runtime": 60 * attempt, "gpu_mb": 0}
    start = MINUTES_ALONE if alone else MINUTES_OF_MEMBER[stage]
    runtime = math.ceil(attempt * (start + 2 * seconds / 60))
    pixels, activations = _pixel_bytes(config, result), _activation_bytes(config, result)
    inputs = _input_bytes(config, result)
    held = math.ceil(attempt * (PROGRAM + (pixels + inputs + activations) / 1e6))
    if stage == "bounds":
        return {"mem_mb": LINEARISED + held, "runtime": runtime, "gpu_mb": 0}
    on_gpu = config.device == "cuda"
    return {
        "mem_mb": math.ceil(attempt * (HOST_OF_GPU + pixels / 1e6)) if on_gpu else held,
        "runtime": runtime,
        "gpu_mb": 0 if config.device == "cpu" else held,
    }


def gpu_megabytes(config: Config, cell: Cell) -> int:
    """Return the GPU memory to keep for a cell's training, in MB; 0 without a GPU."""
    return resources_of(config, Result.of("train", cell.wildcards()), 1)["gpu_mb"]


def _pixel_bytes(config: Config, result: Result) -> float:
    """Return the bytes of all images as stored, and of two copies of them."""
    cell = _largest_cell(config, result)
    dataset = config.datasets[cell.dataset]
    edge = min(cell.size, dataset.native_edge or cell.size)
    return 3.0 * sum(dataset.image_counts()) * dataset.usual_channels * edge**2


def _input_bytes(config: Config, result: Result) -> float:
    """Return the bytes of all inputs of an attack or of bounds, in float32, twice.

    They are put together of parts, beside which the whole stands for a moment.
    """
    if result.stage not in {"attack", "bounds"}:
        return 0.0
    cell = result.cell
    dataset = config.datasets[cell.dataset]
    _, test = dataset.image_counts()
    images = min(config.attacks.images or test, test)
    if result.stage == "bounds":
        images = max(config.bounds.limits(test).values())
    return 2.0 * 4 * images * dataset.usual_channels * cell.size**2


def _activation_bytes(config: Config, result: Result) -> float:
    """Return what the batches hold that are computed at once.

    A recorded training step keeps its memory while its network is measured.
    """
    cell = _largest_cell(config, result)
    training = config.training_of(cell.dataset, cell.network)
    _, test = config.datasets[cell.dataset].image_counts()
    if result.stage == "attack":
        per_activation = BYTES_MEASURING * min(
            config.attacks.batch_size, config.attacks.images or test
        )
    elif result.stage == "initialisation":
        fresh = config.initialisation[result.wildcards["experiment"]]
        per_activation = BYTES_MEASURING * fresh.batch_size
    elif result.stage == "bounds":
        # Of large images one at a time, all classes at once; what small ones hold has a limit.
        per_activation = BYTES_TRAINING * USUAL_CLASSES
    else:
        step = BYTES_OF_METHOD.get(cell.method, BYTES_TRAINING) * training.batch_size
        per_activation = step + BYTES_MEASURING * training.measurement.batch_size
    return per_activation * footprint(config, cell).activations


def _largest_cell(config: Config, result: Result) -> Cell:
    """Return the result's cell; of fresh networks, what one of the largest size would be."""
    if result.stage != "initialisation":
        return result.cell
    return _fresh_cells(config, **result.wildcards)[-1]


def _fresh_cells(config: Config, experiment: str, network: str) -> list[Cell]:
    """Return, by size, what the cells of an architecture's fresh networks would be."""
    settings = config.initialisation[experiment]
    sizes = sorted(settings.sizes)
    return [Cell(settings.dataset, network, size, "none", "0", 0) for size in sizes]


def estimated_seconds(config: Config, result: Result) -> float | None:
    """Estimate the seconds of a result at the configured rate; None: nothing tells them."""
    match result.stage:
        case "train":
            return training_seconds(config, result.cell)
        case "attack":
            return attack_seconds(config, result.cell, result.wildcards["attack"])
        case "bounds":
            return bound_seconds(config, result.cell)
        case "initialisation":
            return initialisation_seconds(config, **result.wildcards)
    return None


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
    cells = _fresh_cells(config, experiment, network)
    return sum(_seconds(config, cell, images, 1) for cell in cells)
