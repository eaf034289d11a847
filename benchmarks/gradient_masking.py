"""Gradient masking checks on a trained cell: does more effort help, does a black box win?

Where gradients are masked, PGD goes on improving with steps and restarts, or an attack that sees
predictions alone finds smaller perturbations than one that sees gradients. Writes JSON to standard
output:

    python benchmarks/gradient_masking.py results/cells/.../network.safetensors \
        results/pixels/.../size=16.safetensors [--epsilon 0.05] [--images 50]
"""

from __future__ import annotations

import argparse
import json
from itertools import product

import numpy as np

from advdim.attacks.evaluate import Rows, evaluate_attack
from advdim.attacks.registry import ATTACKS
from advdim.data.batches import first_inputs
from advdim.data.pixels import load_pixels
from advdim.networks.build import load_network
from advdim.stages.machine import reproducible

STEPS = (5, 10, 20, 40)
RESTARTS = (1, 4)
BLACK_BOX = "boundary_l2"
WHITE_BOX = ("deepfool_l2", "ddn_l2", "fmn_l2")


def vulnerability(rows: Rows) -> float:
    """Return the share of predictions that the attack changed."""
    return float((rows["adversarial_prediction"] != rows["prediction"]).mean())


def median_norm(norms: np.ndarray) -> float:
    """Return the median smallest l2 norm, infinite where nothing was found."""
    return float(np.median(np.nan_to_num(norms, nan=np.inf)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network")
    parser.add_argument("pixels")
    parser.add_argument("--epsilon", type=float, default=0.05, help="l-inf, normalised")
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--boundary-steps", type=int, default=2000)
    settings = parser.parse_args()
    reproducible(1)
    network, _, normalisation = load_network(settings.network)
    inputs, labels = first_inputs(load_pixels(settings.pixels), settings.images, "cpu")

    def attacked(name: str, **options: int) -> Rows:
        attack = ATTACKS[name].configured(**options)
        return evaluate_attack(
            network, inputs, labels, attack, settings.epsilon, normalisation=normalisation
        )

    effort = {
        f"{steps} steps, {restarts} restarts": vulnerability(
            attacked("pgd_linf", steps=steps, restarts=restarts)
        )
        for steps, restarts in product(STEPS, RESTARTS)
    }
    black = attacked(BLACK_BOX, steps=settings.boundary_steps)["norm_l2"]
    white = {name: attacked(name)["norm_l2"] for name in WHITE_BOX}
    best = np.fmin.reduce(list(white.values()))
    result = {
        "images": len(labels),
        "epsilon": settings.epsilon,
        "pgd_vulnerability": effort,
        "gain_of_the_last_doubling": effort["40 steps, 4 restarts"]
        - effort["20 steps, 4 restarts"],
        "median_l2": {BLACK_BOX: median_norm(black)}
        | {name: median_norm(norms) for name, norms in white.items()},
        "share_where_black_box_wins_by_5_percent": float((black < 0.95 * best).mean()),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
