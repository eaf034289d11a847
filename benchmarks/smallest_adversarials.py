"""The smallest adversarials of attacks and libraries on one trained network, and their cost.

Every attack is judged as the evaluation judges it: what is not adversarial beyond float32 noise
does not count. adv-lib is run where it can be imported, and left out elsewhere; visdom only draws
its plots, so an empty module stands in where there is none. Writes JSON to standard output, one
line per attack to standard error:

    python benchmarks/smallest_adversarials.py CELL/network.safetensors PIXELS.safetensors \
        [--images 500] [--slow-images 100] [--only NAME ...] [--threshold 0.01]

A pass is one image through the network, forward or backward. ``ratio`` is the norm over the
smallest that any of the attacks found on the same image.
"""

from __future__ import annotations

import argparse
import json
import math
import re
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

from advdim.attacks.autoattack import AutoAttack, UnitRangeNetwork, unit_range
from advdim.attacks.base import Attack, Batch, MinimalAttack, find_adversarials
from advdim.attacks.evaluate import default_ceiling, predict, verify
from advdim.attacks.foolbox_suite import FoolboxMinimalAttack, library_randomness
from advdim.attacks.registry import ATTACKS
from advdim.data.batches import first_inputs
from advdim.data.pixels import load_pixels
from advdim.data.torchvision_import import torchvision
from advdim.networks.build import load_network
from advdim.networks.perturbations import Norm, norms
from advdim.stages.machine import reproducible
from advdim.units import threshold

ORDER: dict[Norm, float] = {"l2": 2.0, "linf": math.inf}
# Half of what is left free around the inputs, in normalised units: adv-lib clips to [0, 1].
REACH = 0.5
BATCH = 100
SLOW = re.compile("1000|500|apgd|targeted")


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
    attacks: dict[str, Attack] = {
        name: attack for name, attack in ATTACKS.items() if isinstance(attack, MinimalAttack)
    }
    attacks.pop("boundary_l2")
    attacks |= {name: ATTACKS[name] for name in ("pgd_l2", "pgd_linf")}
    for name in ("fmn_l2", "fmn_linf", "ddn_l2"):
        attacks[f"{name} 1000"] = ATTACKS[name].configured(steps=1000)
    makes = {"l2": foolbox.attacks.L2FMNAttack, "linf": foolbox.attacks.LInfFMNAttack}
    norm: Norm
    for norm in ("l2", "linf"):
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
        from adv_lib.attacks.auto_pgd import minimal_apgd
    except ImportError:
        return {}
    functions: dict[tuple[str, Norm], Callable[..., Tensor]] = {
        ("ddn", "l2"): partial(library.ddn, levels=None),
        ("sdf", "l2"): library.sdf,
        ("alma 100", "l2"): partial(library.alma, num_steps=100, init_lr_distance=0.1, α=0.5),
        ("alma 1000", "l2"): partial(library.alma, num_steps=1000, init_lr_distance=0.1),
        ("pdgd 100", "l2"): partial(library.pdgd, num_steps=100),
        ("pdgd 500", "l2"): library.pdgd,
        ("pdpgd 100", "linf"): partial(library.pdpgd, norm=math.inf, num_steps=100),
    }
    norm: Norm
    for norm in ("l2", "linf"):
        order = ORDER[norm]
        functions |= {
            ("deepfool", norm): partial(library.df, norm=order),
            ("fmn 100", norm): partial(library.fmn, norm=order, steps=100),
            ("fmn 1000", norm): partial(library.fmn, norm=order, steps=1000),
            ("fab", norm): partial(library.fab, norm=order, n_iter=20),
            ("fab targeted", norm): partial(
                library.fab, norm=order, n_iter=20, targeted_restarts=True, restarts=9
            ),
            ("apgd", norm): partial(
                minimal_apgd,
                norm=order,
                max_eps=0.5 if norm == "l2" else 0.05,
                n_iter=20,
                binary_search_steps=10,
            ),
        }
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
    ceiling = threshold(default_ceiling(inputs, None), inputs[0].numel(), ORDER[attack.norm])
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
    longest = max(len(result["norms"]) for result in results.values())

    def padded(norms: np.ndarray) -> np.ndarray:
        return np.pad(norms, (0, longest - len(norms)), constant_values=np.inf)

    table = {}
    for name, result in results.items():
        rivals = [r["norms"] for r in results.values() if r["norm"] == result["norm"]]
        best = np.minimum.reduce([padded(norms) for norms in rivals])
        ratio = result["norms"] / best[: len(result["norms"])]
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


def at_threshold(network: nn.Module, inputs: Tensor, value: float) -> dict[str, Any]:
    """Return what AutoAttack's members find alone at one l-inf threshold, and adv-lib's."""
    targets, _ = predict(network, inputs, BATCH)
    table = {}
    for attack in (ATTACKS["autoattack_linf"], ATTACKS["autoattack_l2"]):
        norm = attack.norm
        radius = threshold(value, inputs[0].numel(), ORDER[attack.norm])
        runs: dict[str, Callable[[Batch, float], Tensor]] = {}
        for member in ("apgd_ce", "apgd_t", "fab_t"):
            alone = replace(attack, members=(member,), block=BATCH)  # type: ignore[call-arg]
            assert isinstance(alone, AutoAttack)
            runs[f"torchattacks {member} {norm}"] = alone.perturb
        for name, function in adv_lib_members(norm).items():
            runs[f"adv-lib {name} {norm}"] = partial(within, function, norm)
        for name, run in runs.items():
            counted = Counted(network).eval()
            seconds, broken = 0.0, 0
            for batch in attack.batches(counted, inputs, targets, 0, BATCH, None):
                started = time.process_time()
                perturbed = run(batch, radius)
                seconds += time.process_time() - started
                inside = norms(perturbed - batch.inputs, norm) <= radius * (1 + 1e-5)
                broken += int((batch.is_adversarial(perturbed) & inside).sum())
            passes = (counted.forward_passes + counted.backward_passes) / len(inputs)
            table[name] = {"broken": broken / len(inputs), "passes": passes, "seconds": seconds}
            print(name, table[name], file=sys.stderr, flush=True)
    return table


def adv_lib_members(norm: Norm) -> dict[str, Callable[..., Tensor]]:
    """Return adv-lib's counterparts of AutoAttack's members that see gradients."""
    if not of_adv_lib():
        return {}
    from adv_lib import attacks as library

    order = ORDER[norm]
    return {
        "apgd_ce": partial(library.apgd, norm=order, loss_function="ce"),
        "apgd_t": partial(library.apgd_targeted, norm=order, num_targets=9),
        "fab_t": lambda model, images, targets, eps: library.fab(
            model, images, targets, norm=order, n_iter=100, targeted_restarts=True, restarts=9
        ),
    }


def within(function: Callable[..., Tensor], norm: Norm, batch: Batch, radius: float) -> Tensor:
    """Run a function of adv-lib at one threshold."""
    offset, scale = unit_range(batch, radius)
    network = UnitRangeNetwork(batch.network, offset, scale).eval()
    with library_randomness(batch):
        images = (batch.inputs - offset) / scale
        moved = function(network, images, batch.away_from, eps=radius / scale).detach()
    return batch.inputs + scale * (moved - images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network")
    parser.add_argument("pixels")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--slow-images", type=int, default=100, help="of attacks of many passes")
    parser.add_argument("--only", nargs="*", help="names of attacks")
    parser.add_argument("--threshold", type=float, help="compare AutoAttack's members at it")
    settings = parser.parse_args()
    reproducible(1)
    network, _, _ = load_network(settings.network)
    inputs, _ = first_inputs(load_pixels(settings.pixels), settings.images, "cpu")
    attacks = of_project() | of_adv_lib()
    results: dict[str, dict[str, Any]] = {}
    for name in settings.only if settings.only is not None else attacks:
        count = settings.slow_images if SLOW.search(name) else settings.images
        if not count:
            continue
        results[name] = smallest(attacks[name], network, inputs[:count])
        line = {key: value for key, value in results[name].items() if key != "norms"}
        median = float(np.median(results[name]["norms"]))
        print(f"{name}: median {median:.4g}", line, file=sys.stderr, flush=True)
    report: dict[str, Any] = {
        "images": len(inputs),
        "smallest": compared(results) if results else {},
    }
    if settings.threshold is not None:
        report["threshold"] = settings.threshold
        report["members"] = at_threshold(
            network, inputs[: settings.slow_images], settings.threshold
        )
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
