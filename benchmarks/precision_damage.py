"""What training attacks lose by rounding: damage, evaluated in float64, over that of float32's.

The networks are those of a sweep that are trained without a method (or at ``--trained-at``). PGD is
crafted as training does (7 steps, a random start, batch norm in training mode) with convolutions
that round as each precision does (``rounding.py``), on any processor. The damage of what they craft
is the mean increase of the float64 loss. Writes JSON to standard output, a table to standard error:

    python benchmarks/precision_damage.py config/presets/cifar10.yaml --dataset cifar10 \
        --network maxpool8 --sizes 32 64 128 --images 64
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml
from rounding import TWINS
from torch import Tensor, nn

from advdim.config import Config, load
from advdim.data.batches import first_inputs
from advdim.data.prepare import prepare
from advdim.networks.build import load_network
from advdim.networks.perturbations import ascend, per_sample_loss, uniform_start
from advdim.networks.precision import Arithmetic
from advdim.results import Result
from advdim.stages.machine import reproducible
from advdim.streams import stream
from advdim.sweep import Cell

STEPS = 7
RELATIVE_STEP = 1 / (0.75 * STEPS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--network", required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--strengths", type=float, nargs="+", default=[1e-5, 1e-4, 1e-3, 1e-2])
    parser.add_argument("--precisions", nargs="+", choices=TWINS, default=list(TWINS)[1:])
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--trained-at", default="0", help="strength of PGD training")
    settings = parser.parse_args()
    reproducible(1)
    config = load(yaml.safe_load(settings.config.read_text()))
    rows = [row for size in settings.sizes for row in at_size(settings, config, size)]
    print(json.dumps(rows, indent=2))
    keys = ["size", "strength"]
    table = pd.DataFrame(rows).pivot_table("of_float32", index=keys, columns="precision")
    print(table[settings.precisions].round(4).to_string(), file=sys.stderr)


def at_size(settings: argparse.Namespace, config: Config, size: int) -> Iterator[dict[str, Any]]:
    """Yield a row per trained network of this size, strength and precision."""
    pixels, _ = prepare(config.datasets[settings.dataset], settings.dataset, size)
    inputs, labels = first_inputs(pixels, settings.images, "cpu")
    method = "pgd_linf" if float(settings.trained_at) else "none"
    for seed in range(settings.seeds):
        cell = Cell(settings.dataset, settings.network, size, method, settings.trained_at, seed)
        file = Result.of("train", asdict(cell)).files(config)["network"]
        network, _, _ = load_network(file)
        assert isinstance(network, nn.Sequential)
        for row in of_network(settings, network, inputs, labels):
            yield {"size": size, "seed": seed, **row}
        print(f"{size} px, seed {seed}: done", file=sys.stderr, flush=True)


def of_network(
    settings: argparse.Namespace, network: nn.Sequential, inputs: Tensor, labels: Tensor
) -> Iterator[dict[str, Any]]:
    """Yield a row per strength and precision."""
    batches = list(
        zip(inputs.split(settings.batch_size), labels.split(settings.batch_size), strict=True)
    )
    for strength in settings.strengths:
        full = damage(network, "float32", batches, strength)
        for precision in settings.precisions:
            share = damage(network, precision, batches, strength) / full
            names = {"strength": strength, "precision": precision}
            yield {**names, "damage_of_float32": full, "of_float32": share}


def damage(
    network: nn.Sequential,
    precision: str,
    batches: list[tuple[Tensor, Tensor]],
    strength: float,
) -> float:
    """Return the mean increase of the loss, in float64, under PGD crafted at a precision."""
    crafting = Arithmetic(precision, TWINS[precision](network.train()))
    random, increases = stream("start"), []
    for inputs, labels in batches:
        with crafting.step():
            delta = ascend(
                crafting.crafting, inputs, labels, strength,
                steps=STEPS, relative_step=RELATIVE_STEP,
                start=uniform_start(inputs, strength, random),
            )  # fmt: skip
        # in float64, as a weak attack's increase is near float32's own rounding
        network.double()
        with torch.no_grad():
            moved = per_sample_loss(network, inputs.double() + delta.double(), labels)
            increases.append(moved - per_sample_loss(network, inputs.double(), labels))
        network.float()
    return float(torch.cat(increases).mean())


if __name__ == "__main__":
    main()
