"""Images per second of the smallest FGSM perturbation: batched search against a plain loop.

The loop takes one image at a time through 1,000 thresholds, as evaluations of that kind used to be
written. Both run here, in one process, on the same trained cell; the loop is timed with and without
stopping at the first success. Writes JSON to standard output:

    python benchmarks/minimal_fgsm.py results/cells/.../network.safetensors \
        results/pixels/.../size=32.safetensors [--threads 2]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from advdim.attacks.base import Batch
from advdim.attacks.search import search_direction
from advdim.data.batches import first_inputs
from advdim.data.pixels import load_pixels
from advdim.networks.build import load_network
from advdim.networks.perturbations import loss_gradient
from advdim.stages.machine import reproducible

THRESHOLDS = 1000


def loop(network: nn.Module, inputs: Tensor, ceiling: float, stop: bool) -> Tensor:
    """One image at a time: the smallest of 1,000 thresholds that changes the prediction."""
    smallest = []
    candidates = torch.linspace(0, ceiling, THRESHOLDS + 1)[1:].tolist()
    for image in inputs.split(1):
        with torch.no_grad():
            target = network(image).argmax(dim=1)
        direction = loss_gradient(network, image, target)[1].sign()
        best = float("inf")
        for epsilon in candidates:
            with torch.no_grad():
                changed = bool(network(image + epsilon * direction).argmax(dim=1) != target)
            if changed and epsilon < best:
                best = epsilon
                if stop:
                    break
        smallest.append(best)
    return torch.tensor(smallest)


def batched(network: nn.Module, inputs: Tensor, ceiling: float, batch_size: int = 32) -> Tensor:
    """The same by grid and refinement, all samples of a batch together."""
    smallest = []
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    for part in inputs.split(batch_size):
        with torch.no_grad():
            away_from = network(part).argmax(dim=1)
        direction = loss_gradient(network, part, away_from)[1].sign()
        batch = Batch(network, part, away_from, None, 0, 0)
        smallest.append(search_direction(batch, direction, ceiling, skip=True))
    return torch.cat(smallest)


def timed(search: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """Return the result and its images per second."""
    start = time.perf_counter()
    result = search()
    return result, len(result) / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network")
    parser.add_argument("pixels")
    parser.add_argument("--loop-images", type=int, default=16)
    parser.add_argument("--batched-images", type=int, default=1000)
    parser.add_argument("--ceiling", type=float, default=1.0, help="largest threshold, normalised")
    parser.add_argument("--threads", type=int, default=1)
    settings = parser.parse_args()
    reproducible(settings.threads)
    network, _, _ = load_network(settings.network)
    images, _ = first_inputs(load_pixels(settings.pixels), settings.batched_images, "cpu")
    few = images[: settings.loop_images]
    batched(network, images[:50], settings.ceiling)
    full, full_rate = timed(lambda: loop(network, few, settings.ceiling, stop=False))
    stopping, stopping_rate = timed(lambda: loop(network, few, settings.ceiling, stop=True))
    found, batched_rate = timed(lambda: batched(network, images, settings.ceiling))
    assert torch.equal(full, stopping)
    both = torch.isfinite(full) & torch.isfinite(found[: len(few)])
    step = settings.ceiling / THRESHOLDS
    result = {
        "size": images.shape[-1],
        "threads": settings.threads,
        "loop_thresholds": THRESHOLDS,
        "ceiling": settings.ceiling,
        "loop_images": len(few),
        "batched_images": len(images),
        "loop_images_per_second": full_rate,
        "stopping_loop_images_per_second": stopping_rate,
        "batched_images_per_second": batched_rate,
        "ratio": batched_rate / full_rate,
        "ratio_to_stopping_loop": batched_rate / stopping_rate,
        "found_share_loop": float(torch.isfinite(full).float().mean()),
        "found_share_batched": float(torch.isfinite(found).float().mean()),
        "same_within_one_threshold": float(
            ((found[: len(few)] - full).abs() <= step)[both].float().mean()
        ),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
