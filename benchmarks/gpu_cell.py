"""One process on a device for ``gpu.py``: steps beside other processes, or a whole small cell."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from timed_step import NETWORKS, architecture, own_step

from advdim.config import load
from advdim.data.pixels import save_pixels
from advdim.data.prepare import prepare
from advdim.networks.build import Shape, build
from advdim.networks.precision import precision_used
from advdim.stages.machine import reproducible
from advdim.stages.train import train_cell
from advdim.sweep import Cell
from advdim.training.recording import recordable_stream

SIZE = 16
CELL = {
    "datasets": {"digits": {"source": "digits", "train_images": 128, "test_images": 32}},
    "networks": {
        "maxpool4": {
            "layers": 4, "width": 12, "pool": "max", "pool_after": [2, 4],
            "dilation": "size / 8", "head": "global_max",
        }
    },
    "training": {
        "epochs": 2,
        "batch_size": 32,
        "measurement": {"every": 1, "summary_epochs": 1, "steps": 2, "images": 32},
    },
    "experiments": {
        "e": {"dataset": "digits", "network": "maxpool4", "sizes": [SIZE], "epsilons": [0.01]}
    },
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["steps", "cell"])
    parser.add_argument("--device", required=True)
    parser.add_argument("--method", default="pgd_linf")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--network", choices=NETWORKS)
    parser.add_argument("--size", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--width", type=int)
    parser.add_argument("--number", type=int)
    settings = parser.parse_args()
    reproducible(1)
    if settings.what == "cell":
        whole_cell(settings)
    else:
        print(json.dumps(steps(settings)))


def whole_cell(settings: argparse.Namespace) -> None:
    """Train one cell of digits, in the precision that the device gets."""
    config = load(CELL)
    pixels, _ = prepare(config.datasets["digits"], "digits", SIZE)
    settings.output.mkdir(parents=True)
    save_pixels(settings.output / "pixels.safetensors", pixels, {})
    names = {"epochs": "parquet", "samples": "parquet", "network": "safetensors"}
    strength = "0" if settings.method == "none" else "0.01"
    train_cell(
        config,
        Cell("digits", "maxpool4", SIZE, settings.method, strength, 0),
        settings.output / "pixels.safetensors",
        {name: settings.output / f"{name}.{suffix}" for name, suffix in names.items()},
        settings.output / "checkpoints",
        device=settings.device,
    )


def steps(settings: argparse.Namespace) -> dict[str, Any]:
    """Train for some seconds; return when that started, and when each step was done."""
    with recordable_stream(torch.device(settings.device)):
        return _steps(settings)


def _steps(settings: argparse.Namespace) -> dict[str, Any]:
    shape, random = Shape(3, settings.size, 10), torch.Generator().manual_seed(settings.number)
    network = build(architecture(settings.network, settings.width), shape, random)
    inputs = torch.randn(settings.batch_size, 3, settings.size, settings.size, generator=random)
    targets = torch.randint(0, 10, (settings.batch_size,), generator=random)
    step = own_step(
        precision_used("auto", settings.device),
        settings.method,
        network.to(settings.device).train(),
        inputs.to(settings.device),
        targets.to(settings.device),
        settings.device,
    )
    for _ in range(4):
        step()
    synchronise(settings.device)
    # one clock for all processes of a machine
    start = time.monotonic()
    done: list[float] = []
    while not done or done[-1] - start < settings.seconds:
        step()
        # a queue of steps that have not been made would count as made
        synchronise(settings.device)
        done.append(time.monotonic())
    return {"start": start, "done": done}


def synchronise(device: str) -> None:
    """Wait until the device has done what it was asked."""
    if device != "cpu":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
