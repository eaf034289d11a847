"""The smallest adversarials of attacks and libraries on one trained network, and their cost.

Every attack is judged as the evaluation judges it: what is not adversarial beyond float32 noise
does not count. adv-lib is run where it can be imported, and left out elsewhere; visdom only draws
its plots, so an empty module stands in where there is none. Writes JSON to standard output, one
line per attack to standard error:

    python benchmarks/smallest_adversarials.py CELL/network.safetensors PIXELS.safetensors \
        [--images 500] [--only NAME ...]

A pass is one image through the network, forward or backward. ``ratio`` is the norm over the
smallest that any of the attacks found on the same image.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
import types
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import foolbox
import numpy as np
import torch
from torch import Tensor, nn

from advdim.attacks.autoattack import UnitRangeNetwork, unit_range
from advdim.attacks.base import Attack, Batch, MinimalAttack, find_adversarials
from advdim.attacks.evaluate import default_ceiling, predict, verify
from advdim.attacks.foolbox_suite import FoolboxMinimalAttack, library_randomness
from advdim.attacks.registry import ATTACKS
from advdim.data.batches import first_inputs
from advdim.data.pixels import load_pixels
from advdim.data.torchvision_import import torchvision
from advdim.networks.build import load_network
from advdim.networks.perturbations import ORDERS, Norm, norms
from advdim.stages.machine import reproducible
from advdim.units import threshold

NORMS: tuple[Norm, ...] = ("l2", "linf")
# Half of what is left free around the inputs, in normalised units: adv-lib clips to [0, 1].
REACH = 0.5
BATCH = 100
OWN = ("fmn_l2", "fmn_linf", "ddn_l2", "deepfool_l2", "deepfool_linf")


class Counted(nn.Module):
    """A network that counts the images that pass forward and backward."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.forward_passes = self.backward_passes = 0

    def forward(self, inputs: Tensor) -> Tensor:
        logits = self.network(inputs)
        self.forward_passes += len(inputs)
        if logits.requires_grad:
            logits.register_hook(self._count_backward)
        return logits

    def _count_backward(self, gradient: Tensor) -> None:
        self.backward_passes += len(gradient)


@dataclass(frozen=True, kw_only=True)
class LibraryFunction(MinimalAttack):
    """A function of network, inputs in [0, 1] and targets that returns perturbed inputs."""

    function: Callable[[nn.Module, Tensor, Tensor], Tensor]

    def minimise(self, batch: Batch) -> Tensor:
        offset, scale = unit_range(batch, REACH)
        network = UnitRangeNetwork(batch.network, offset, scale).eval()
        with library_randomness(batch):
            moved = self.function(network, (batch.inputs - offset) / scale, batch.away_from)
        return (offset + scale * moved.detach()).clone()


def of_project() -> dict[str, Attack]:
    """Return the project's own names that look for the smallest adversarial, and foolbox's FMN."""
    attacks: dict[str, Attack] = {name: ATTACKS[name] for name in OWN}
    makes = {"l2": foolbox.attacks.L2FMNAttack, "linf": foolbox.attacks.LInfFMNAttack}
    for norm in NORMS:
        name = f"foolbox fmn {norm}"
        make = partial(makes[norm], steps=100)
        attacks[name] = FoolboxMinimalAttack(name=name, norm=norm, reference="", make=make)
    return attacks


def of_adv_lib() -> dict[str, Attack]:
    """Return adv-lib's attacks, empty where it cannot be imported."""
    sys.modules.setdefault("visdom", types.ModuleType("visdom"))
    torchvision("models")
    try:
        from adv_lib import attacks as library
    except ImportError:
        return {}
    functions: dict[tuple[str, Norm], Callable[..., Tensor]] = {
        ("ddn", "l2"): partial(library.ddn, levels=None),
        ("sdf", "l2"): library.sdf,
    }
    for norm in NORMS:
        functions["deepfool", norm] = partial(library.df, norm=ORDERS[norm])
        functions["fmn", norm] = partial(library.fmn, norm=ORDERS[norm], steps=100)
    return {
        f"adv-lib {name} {norm}": LibraryFunction(
            name=f"adv-lib {name}", norm=norm, reference="", function=function
        )
        for (name, norm), function in functions.items()
    }


def smallest(attack: Attack, network: nn.Module, inputs: Tensor) -> dict[str, Any]:
    """Return the smallest norms of one attack, verified, with passes and processor seconds."""
    targets, _ = predict(network, inputs, BATCH)
    counted = Counted(network).eval()
    ceiling = threshold(default_ceiling(inputs, None), inputs[0].numel(), ORDERS[attack.norm])
    found_norms, seconds = [], 0.0
    for batch in attack.batches(counted, inputs, targets, 0, BATCH, None):
        started = time.process_time()
        found = find_adversarials(attack, batch, (), ceiling)
        seconds += time.process_time() - started
        claimed = replace(batch, network=network).is_adversarial(found.smallest)
        verify(network, attack, batch, found.smallest, claimed, math.inf)
        size = norms(found.smallest - batch.inputs, attack.norm)
        found_norms.append(torch.where(claimed, size, math.inf))
    return {
        "norm": attack.norm,
        "norms": torch.cat(found_norms).numpy().astype(float),
        "forward_passes": counted.forward_passes / len(inputs),
        "backward_passes": counted.backward_passes / len(inputs),
        "seconds": seconds,
    }


def compared(results: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Put what each attack found beside the smallest that any in its norm found."""
    table = {}
    for name, result in results.items():
        rivals = [r["norms"] for r in results.values() if r["norm"] == result["norm"]]
        ratio = result["norms"] / np.minimum.reduce(rivals)
        found = np.isfinite(ratio)
        table[name] = {
            "norm": result["norm"],
            "images": len(ratio),
            "found": float(found.mean()),
            "median_norm": float(np.median(result["norms"])),
            "mean_ratio_where_found": float(ratio[found].mean()),
            "q90_ratio": float(np.quantile(ratio, 0.9, method="higher")),
            "within_1_percent": float((ratio <= 1.01).mean()),
            "passes": result["forward_passes"] + result["backward_passes"],
            "seconds": result["seconds"],
        }
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network")
    parser.add_argument("pixels")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="names of attacks")
    settings = parser.parse_args()
    attacks = of_project() | of_adv_lib()
    chosen = settings.only or list(attacks)
    if unknown := [name for name in chosen if name not in attacks]:
        parser.error(f"--only names {unknown[0]!r}, and there are: {', '.join(attacks)}")
    reproducible(1)
    network, _, _ = load_network(settings.network)
    inputs, _ = first_inputs(load_pixels(settings.pixels), settings.images, "cpu")
    results: dict[str, dict[str, Any]] = {}
    for name in chosen:
        results[name] = smallest(attacks[name], network, inputs)
        line = {key: value for key, value in results[name].items() if key != "norms"}
        median = float(np.median(results[name]["norms"]))
        print(f"{name}: median {median:.4g}", line, file=sys.stderr, flush=True)
    print(json.dumps({"images": len(inputs), "smallest": compared(results)}, indent=2))


if __name__ == "__main__":
    main()
