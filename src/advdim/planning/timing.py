"""How long a step of training, and of measuring, takes here and now."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from advdim.config import Config
from advdim.config.data import Augmentation
from advdim.data.batches import Batches
from advdim.data.pixels import Pixels
from advdim.measures.vulnerability import measure
from advdim.networks.build import Shape, build
from advdim.planning.usual import usual_shape
from advdim.streams import stream
from advdim.training.regularisers import objective
from advdim.units import Normalisation

# Images that are timed together hold about this many pixels: seconds on any processor.
TIMED_PIXELS = 32 * 32 * 32


@dataclass(frozen=True)
class StepTimes:
    """Measured seconds per image of a training step, and of a measurement where all are right."""

    training: float
    measuring: float


def time_steps(config: Config, dataset: str, network: str, size: int, method: str) -> StepTimes:
    """Time a network's steps on random images of a size in pixels; its weights are fresh."""
    settings = config.training_of(dataset, network)
    count = max(2, min(settings.batch_size, TIMED_PIXELS // size**2))
    shape = usual_shape(config, dataset, size)
    pixels = _noise(count, shape)
    module = build(config.networks[network], shape, stream("plan"))
    _label_as_predicted(module, pixels)
    function = objective(method, getattr(config.methods, method).model_dump())
    random = stream("plan")

    def train() -> None:
        ((inputs, labels),) = Batches(pixels, "train").shuffled(count, Augmentation(), random)
        function(module, inputs, labels, 0.01, random=random).backward()

    def measure_once() -> None:
        batches = Batches(pixels, "train").ordered(count)
        measure(module, batches, settings.measurement, 0.01, stream("noise"), random)

    return StepTimes(_best_of(train) / count, _best_of(measure_once) / count)


@torch.no_grad()
def _label_as_predicted(network: torch.nn.Module, pixels: Pixels) -> None:
    """Make every label right, so that none of the images is attacked twice."""
    ((inputs, _),) = Batches(pixels, "train").ordered(len(pixels.labels["train"]))
    pixels.labels["train"] = network.eval()(inputs).argmax(1)
    network.train()


def _noise(count: int, shape: Shape) -> Pixels:
    size = (count, shape.channels, shape.size, shape.size)
    images = torch.randint(0, 256, size, dtype=torch.uint8)
    labels = torch.randint(0, shape.classes, (count,))
    unit = Normalisation((0.5,) * shape.channels, (0.2,) * shape.channels)
    classes = [str(k) for k in range(shape.classes)]
    return Pixels({"train": images}, {"train": labels}, classes, unit, 1)


def _best_of(run: Callable[[], None], repeats: int = 2) -> float:
    """Return the shortest of some runs, after one that warms up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)
