"""What more steps of an attack find on a trained network: does an attack see all there is?

On copied pixels a max pool hands its gradient to one of several equal pixels. Only these move in a
first step, so that PGD takes more steps there than on pixels that differ. Writes JSON to standard
output, a row per effort: the share of predictions that change, and the damage over its first-order
prediction, or the median smallest norm. PGD is the one that every measurement runs:

    .venv/bin/python benchmarks/attack_effort.py CELL/network.safetensors PIXELS.safetensors \
        --threshold 0.016 --images 200
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from advdim.attacks.base import Attack
from advdim.attacks.evaluate import evaluate_attack
from advdim.attacks.registry import ATTACKS
from advdim.data.batches import first_inputs
from advdim.data.pixels import load_pixels
from advdim.networks.build import load_network
from advdim.stages.machine import reproducible

STEPS = (10, 20, 40, 100)
FROM_THE_IMAGE = {"restarts": 0, "relative_step": 1 / 7.5}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", help="network.safetensors of a cell")
    parser.add_argument("pixels", help="pixels of the same size")
    parser.add_argument("--threshold", type=float, default=0.016, help="l-inf, normalised")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--steps", type=int, nargs="+", default=list(STEPS))
    settings = parser.parse_args()
    reproducible(1)
    network, _, normalisation = load_network(settings.network)
    inputs, labels = first_inputs(load_pixels(settings.pixels), settings.images, "cpu")
    rows = list(efforts(network, inputs, labels, normalisation, settings))
    print(json.dumps({"images": len(labels), "threshold": settings.threshold, "rows": rows}))


def efforts(
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    normalisation: Any,
    settings: argparse.Namespace,
) -> Iterator[dict[str, Any]]:
    """Yield a row per number of steps of PGD, and of FMN at the same threshold."""
    attacks: dict[str, Attack] = {
        f"{name}, {steps} steps": ATTACKS[name].configured(steps=steps, **options)
        for name, options in (("pgd_linf", FROM_THE_IMAGE), ("fmn_linf", {}))
        for steps in settings.steps
    }
    for effort, attack in attacks.items():
        found = evaluate_attack(
            network, inputs, labels, attack, settings.threshold, normalisation=normalisation
        )
        row: dict[str, Any] = {"effort": effort, "changed": float(found["success"][:, 0].mean())}
        if effort.startswith("pgd_linf"):
            rises = found["ascended"].astype(bool)
            damage = (found["adversarial_losses"][:, 0] - found["loss"])[rises]
            row["damage_over_first_order"] = float(damage.sum() / found["first_order"][rises].sum())
        else:
            row["median_norm"] = float(torch.tensor(found["norm_linf"]).nanmedian())
        yield row


if __name__ == "__main__":
    main()
