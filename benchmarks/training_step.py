"""Time of a training step, or of measuring, beside plain research code, as ratios in one run.

Every variant runs in a process of its own, all of them in turn for some rounds, and the best round
of each counts: processor seconds on a CPU (which other programs disturb least), wall seconds on a
GPU. ``of_matrix_rate`` is the arithmetic of the convolutions over the step's time, against the rate
of a large matrix product of the same precision: convolutions may exceed it where the library's
matrix product is the weaker of the two. ``evaluation`` is a pass in evaluation mode,
``test_attack`` PGD as every measurement runs it, in 10 steps; only methods that craft perturbations
have other precisions than float32 and TF32. The plain code runs as PyTorch starts: on a GPU with
TF32 in its convolutions and sums in any order. Writes JSON to standard output, and a figure with
``--figure``:

    python benchmarks/training_step.py --network maxpool8 --sizes 32 64 128 --methods pgd_linf none
"""

from __future__ import annotations

import argparse
import inspect
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from reference import copy_weights, plain_network, plain_pgd, plain_step

from advdim.catalogue.methods import METHODS
from advdim.config import Config
from advdim.config.convolutional import ConvolutionalNetwork
from advdim.data.layout import memory_format
from advdim.networks.build import Shape, build, to_device
from advdim.networks.perturbations import ascend
from advdim.networks.precision import CRAFTING, arithmetic, precision_used
from advdim.stages.machine import reproducible
from advdim.training.recording import Recorded, recordable_stream
from advdim.training.regularisers import REGULARISERS, objective

NETWORKS = {
    "maxpool8": ConvolutionalNetwork(
        layers=8, pool="max", pool_after=[2, 4, 6, 8], dilation="size / 32", head="global_max"
    ),
    "strided6": ConvolutionalNetwork(layers=6, strides=[1, 2, 2, 2, 2, 2]),
    "tiny": ConvolutionalNetwork(
        layers=2, width=4, pool="max", pool_after=[2], head="global_max", dilation=2
    ),
}
# "computed" is float32 where a GPU does not repeat its steps from a recording.
VARIANTS = ("plain", "computed", *CRAFTING)
EPSILON = 0.01
ATTACK_STEPS, RELATIVE_STEP = 10, 1 / 7.5
# Passes through the network per step, in forward passes; a gradient of the inputs alone is 2.
PASSES = {
    name: 2 * entry.passes for name, entry in METHODS.items() if isinstance(entry.passes, float)
}
PASSES |= {"pgd_linf": 17, "evaluation": 1, "test_attack": 2 * ATTACK_STEPS + 1}
MEASURING = ("evaluation", "test_attack")
USUAL = ["none", "grad_l1", "aug_linf", "pgd_linf", "evaluation", "test_attack"]


class NotThereError(ValueError):
    """A device does not have what is asked of it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, default="maxpool8")
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--methods", nargs="+", choices=PASSES, default=USUAL)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3, help="timed steps of a process")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--matrix", type=int, default=2048, help="edge of the product compared to")
    parser.add_argument("--figure", type=Path, help="draw the ratios into this file")
    parser.add_argument("--one", nargs=3, metavar=("VARIANT", "METHOD", "SIZE"))
    settings = parser.parse_args()
    if settings.one:
        variant, method, size = settings.one
        print(json.dumps(time_one(settings, variant, method, int(size))))
        return
    rows = list(compare(settings))
    print(json.dumps({"device": choose_device(settings.device), "rows": rows}, indent=2))
    if settings.figure:
        draw(rows, settings.figure)


def compare(settings: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield a row per (size, method, variant), each with its ratio to the plain step."""
    for size in settings.sizes:
        for method in settings.methods:
            variants = [v for v in settings.variants if differs(v, method)]
            rounds = [
                {variant: run_one(variant, method, size) for variant in variants}
                for _ in range(settings.rounds)
            ]
            best = {
                variant: min((r[variant] for r in rounds), key=lambda row: row["seconds"])
                for variant in variants
            }
            for variant, row in best.items():
                if "plain" in best:
                    row["times_the_plain_step"] = best["plain"]["seconds"] / row["seconds"]
                yield {"size": size, "method": method, "variant": variant, **row}


def choose_device(wanted: str) -> str:
    """Return the device, a GPU where ``auto`` finds one."""
    found = "cuda" if torch.cuda.is_available() else "cpu"
    return found if wanted == "auto" else wanted


def differs(variant: str, method: str) -> bool:
    """Return whether a method has this variant, or would be float32 again."""
    if variant in ("plain", "float32"):
        return True
    if variant in ("tf32", "computed"):
        return method in REGULARISERS
    return (
        method in REGULARISERS and "crafting" in inspect.signature(REGULARISERS[method]).parameters
    )


def run_one(variant: str, method: str, size: int) -> dict[str, Any]:
    """Time one variant in a fresh process, whose allocator nothing has touched."""
    command = [sys.executable, *sys.argv, "--one", variant, method, str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def time_one(settings: argparse.Namespace, variant: str, method: str, size: int) -> dict[str, Any]:
    """Return seconds of a step, images per second, peak memory and the share of the matrix rate."""
    device = choose_device(settings.device)
    with recordable_stream(torch.device(device)):
        return _time_one(settings, variant, method, size, device)


def _time_one(
    settings: argparse.Namespace, variant: str, method: str, size: int, device: str
) -> dict[str, Any]:
    architecture, shape = NETWORKS[settings.network], Shape(3, size, 10)
    random = torch.Generator().manual_seed(0)
    reproducible(settings.threads)
    if variant == "plain":
        as_pytorch_starts()
    inputs = torch.randn(settings.batch_size, 3, size, size, generator=random).to(device)
    targets = torch.randint(0, 10, (settings.batch_size,), generator=random).to(device)
    ours = build(architecture, shape, random).to(device).train()
    if variant == "plain":
        network = plain_network(architecture, 3, size, 10).to(device).train()
        copy_weights(ours, network)
        optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

        def step() -> None:
            plain_step(method, network, optimiser, inputs, targets, EPSILON)

        if method in MEASURING:
            start = torch.zeros_like(inputs)
            arguments = (network, inputs, targets, EPSILON, start, ATTACK_STEPS, RELATIVE_STEP)
            step = measuring(method, network, inputs, lambda: plain_pgd(*arguments))
    elif method in MEASURING:
        ours = to_device(ours, device)
        inputs = inputs.contiguous(memory_format=memory_format(device))
        settings_of_attack = {"steps": ATTACK_STEPS, "relative_step": RELATIVE_STEP}
        step = measuring(
            method, ours, inputs,
            lambda: ascend(ours, inputs, targets, EPSILON, **settings_of_attack),
        )  # fmt: skip
    else:
        step = own_step(variant, method, ours, inputs, targets, device)
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    seconds = best_seconds(step, settings.steps, device)
    precision = torch.bfloat16 if variant in ("bfloat16", "anchored") else torch.float32
    torch.backends.cuda.matmul.allow_tf32 = variant == "tf32"
    operations = 2 * multiply_adds(ours, inputs[:1]) * len(inputs) * PASSES[method]
    return {
        "seconds": seconds,
        "images_per_second": len(inputs) / seconds,
        "nanoseconds_per_pixel": 1e9 * seconds / (len(inputs) * size**2),
        "peak_megabytes": peak_megabytes(device),
        "of_matrix_rate": operations / seconds / matrix_rate(precision, device, settings.matrix),
    }


def as_pytorch_starts() -> None:
    """Let the process compute as PyTorch does by default."""
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.allow_tf32 = True


def own_step(
    variant: str,
    method: str,
    network: torch.nn.Module,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    device: str,
) -> Callable[[], None]:
    """Return the step that the package's training loop makes, on a GPU from a recording."""
    precision, computed = ("float32", True) if variant == "computed" else (variant, False)
    if computed and device == "cpu":
        raise NotThereError("a processor computes every step")
    if precision_used(precision, device) != precision:
        raise NotThereError(f"{device} has no {variant} that is faster than float32")
    calculation = arithmetic(precision, to_device(network, device, precision))
    inputs = inputs.contiguous(memory_format=memory_format(device, precision))
    methods = Config.model_fields["methods"].get_default()
    function = objective(method, getattr(methods, method).model_dump())
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    attack = torch.Generator(device).manual_seed(0)

    def learn(inputs: torch.Tensor, targets: torch.Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        with calculation.step():
            crafting = calculation.crafting
            loss = function(network, inputs, targets, EPSILON, random=attack, crafting=crafting)
            loss.backward()
        optimiser.step()

    repeated = learn if computed or device == "cpu" else Recorded(learn, attack)
    return lambda: repeated(inputs, targets)


def measuring(
    method: str,
    network: torch.nn.Module,
    inputs: torch.Tensor,
    attack: Callable[[], torch.Tensor],
) -> Callable[[], None]:
    """Return a pass without gradients, after the attack where that is asked for."""
    network.eval()

    def step() -> None:
        attacked = inputs + attack() if method == "test_attack" else inputs
        with torch.no_grad():
            network(attacked)

    return step


def best_seconds(step: Callable[[], None], steps: int, device: str) -> float:
    """Return the shortest of some steps, after four that warm up, or record."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    times = []
    for _ in range(steps + 4):
        start = clock()
        step()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(clock() - start)
    return min(times[4:]) / (torch.get_num_threads() if device == "cpu" else 1)


def multiply_adds(network: torch.nn.Module, inputs: torch.Tensor) -> int:
    """Return the multiply-adds of the convolutions for one image."""
    counts: list[int] = []

    def count(layer: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        assert isinstance(layer, torch.nn.Conv2d)
        counts.append(output[0].numel() * layer.weight[0].numel())

    layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        network.eval()(inputs)
    for hook in hooks:
        hook.remove()
    return sum(counts)


def matrix_rate(precision: torch.dtype, device: str, edge: int) -> float:
    """Return the operations per second of a large square matrix product."""
    left = torch.randn(edge, edge, device=device).to(precision)
    return 2 * edge**3 / best_seconds(lambda: torch.mm(left, left), 4, device)


def peak_megabytes(device: str) -> float:
    """Return the most memory that the process has held, on the device where that is a GPU."""
    if device == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return torch.cuda.max_memory_allocated() / 2**20


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the ratios, and the time per pixel, against the size; a column per method."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator

    methods = list(dict.fromkeys(row["method"] for row in rows))
    size = (2.2 * len(methods) + 1, 5)
    figure, axes = plt.subplots(
        2,
        len(methods),
        squeeze=False,
        layout="constrained",
        sharex=True,
        sharey="row",
        figsize=size,
    )
    for (above, below), method in zip(axes.T, methods, strict=True):
        for variant in VARIANTS:
            chosen = [r for r in rows if (r["method"], r["variant"]) == (method, variant)]
            sizes = [row["size"] for row in chosen]
            style = {"marker": "o", "label": variant, "color": f"C{VARIANTS.index(variant)}"}
            if chosen:
                above.plot(sizes, [row["times_the_plain_step"] for row in chosen], **style)
                below.plot(sizes, [row["nanoseconds_per_pixel"] / 1e3 for row in chosen], **style)
        above.set(title=method)
        below.set(xlabel="size (pixels)", yscale="log")
        below.set_xscale("log", base=2)
        below.xaxis.set_major_formatter("{x:.0f}")
        below.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        below.yaxis.set_major_formatter("{x:g}")
        below.yaxis.set_minor_formatter("")
    axes[0][0].set_ylabel("times as fast as the plain step")
    axes[0][0].set_ylim(0, 1.05 * max(row["times_the_plain_step"] for row in rows))
    axes[1][0].set_ylabel("microseconds per pixel")
    lines = {line.get_label(): line for axis in axes[0] for line in axis.get_lines()}
    figure.legend(handles=list(lines.values()), loc="outside lower center", ncols=len(lines))
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
