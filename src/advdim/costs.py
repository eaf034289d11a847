"""A cell's work and memory from its settings alone, for schedulers; imports no torch.

Rough on purpose: a cell that outlives its time is warned, checkpointed and continued.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from advdim.config import Config
from advdim.config.lenet import LenetNetwork
from advdim.config.network import ConvolutionalNetwork
from advdim.sweep import Cell

# Passes per image and step of training, one being a forward and a backward to the input.
PASSES = {
    "none": 1.5,
    "grad_l1": 3.0,
    "grad_l2": 3.0,
    "aug_linf": 4.0,
    "aug_l2": 4.0,
    "cross_lipschitz": 20.0,
}
MEASURING_PASSES = 3.0
# float32, and some eight copies of an activation alive in a measurement's backward pass.
BYTES_PER_ACTIVATION = 4 * 8


@dataclass(frozen=True)
class Footprint:
    """What one image costs in one forward pass."""

    multiply_adds: float
    activations: float


def footprint(config: Config, cell: Cell) -> Footprint:
    """Count a network's multiply-adds and activations; a module of one's own is taken as dense.

    For networks that only their own code describes, the count is that of ``maxpool8``'s kind at
    64 channels: an upper guess for most.
    """
    network = config.networks[cell.network]
    if isinstance(network, LenetNetwork):
        return Footprint(*network.counts(config.datasets[cell.dataset].usual_channels, cell.size))
    if not isinstance(network, ConvolutionalNetwork):
        return Footprint(64_000.0 * cell.size**2, 64.0 * 4 * cell.size**2)
    channels, edge = config.datasets[cell.dataset].usual_channels, cell.size
    multiply_adds = activations = 0.0
    for layer, stride in enumerate(network.layer_strides(), start=1):
        edge = (edge - 1) // stride + 1
        multiply_adds += 9 * channels * network.width * edge**2
        activations += 2 * network.width * edge**2
        channels = network.width
        if layer in network.pool_after:
            edge //= 2
    return Footprint(multiply_adds, activations)


def training_seconds(config: Config, cell: Cell) -> float:
    """Estimate a cell's seconds at ``multiply_adds_per_second`` of the configuration."""
    settings, dataset = (
        config.training_of(cell.dataset, cell.network),
        config.datasets[cell.dataset],
    )
    train, test = dataset.image_counts()
    if cell.method == "pgd_linf":
        passes = config.methods.pgd_linf.steps + 1.5
    else:
        passes = PASSES[cell.method]
    measured = 1 + sum(settings.measured(epoch) for epoch in range(settings.epochs))
    per_measurement = 2 * min(settings.measurement.images or test, test)
    images = train * settings.epochs * passes
    images += measured * per_measurement * (settings.measurement.steps + MEASURING_PASSES)
    # One pass is a forward and a backward: twice the forward's multiply-adds.
    return images * 2 * footprint(config, cell).multiply_adds / config.multiply_adds_per_second


def runtime_minutes(config: Config, cell: Cell, attempt: int) -> int:
    """Return the minutes to ask for: twice the estimate, ten at least, more at each attempt."""
    return math.ceil(attempt * (10 + 2 * training_seconds(config, cell) / 60))


def memory_megabytes(config: Config, cell: Cell, attempt: int) -> int:
    """Return the memory to ask for: the program, the pixels, and one batch's activations."""
    settings, dataset = (
        config.training_of(cell.dataset, cell.network),
        config.datasets[cell.dataset],
    )
    edge = min(cell.size, dataset.native_edge or cell.size)
    pixels = 3 * sum(dataset.image_counts()) * dataset.usual_channels * edge**2
    batch = max(settings.batch_size, settings.measurement.batch_size)
    activations = BYTES_PER_ACTIVATION * batch * footprint(config, cell).activations
    return math.ceil(attempt * (1500 + (pixels + activations) / 1e6))
