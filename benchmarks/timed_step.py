"""Time of one step, or of measuring, of one variant, in a process of its own.

``training_step.py`` and ``gpu.py`` start it with the fields of a ``Step`` as JSON. It prints the
row that it measured, or why the device has none: ``{"not_there": ...}``.
"""

from __future__ import annotations

import argparse
import inspect
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import processes
import torch
from processes import NotThereError
from reference import copy_weights, plain_network, plain_pgd, plain_step
from torch import Tensor, nn

from advdim.catalogue.methods import METHODS
from advdim.config import Config
from advdim.config.convolutional import ConvolutionalNetwork
from advdim.data.layout import memory_format
from advdim.networks.build import Shape, build, to_device
from advdim.networks.perturbations import ascend
from advdim.networks.precision import CRAFTING, arithmetic, precision_used
from advdim.stages.machine import reproducible
from advdim.training.descent import Descent
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


@dataclass(frozen=True, kw_only=True)
class Step:
    """What to time: sizes in pixels, width in channels (none: the network's own)."""

    variant: str
    method: str
    size: int
    network: str
    width: int | None
    batch_size: int
    steps: int
    threads: int
    device: str
    matrix: int

    def alone(self, seconds: float | None = None) -> dict[str, Any]:
        """Time it in a fresh process, whose allocator nothing has touched.

        Raises NotThereError where the device lacks it, FailedError, or subprocess.TimeoutExpired
        after some seconds.
        """
        done = processes.run([sys.executable, __file__, json.dumps(asdict(self))], seconds)
        print(done.stderr, end="", file=sys.stderr, flush=True)
        row = dict(json.loads(processes.output(done)))
        if "not_there" in row:
            raise NotThereError(row["not_there"])
        return row


def main() -> None:
    step = Step(**json.loads(sys.argv[1]))
    try:
        with recordable_stream(torch.device(step.device)):
            row = time_here(step)
    except NotThereError as error:
        row = {"not_there": str(error)}
    print(json.dumps(row))


def add_options(parser: argparse.ArgumentParser, sizes: list[int], steps: int) -> None:
    """Add what ``training_step.py`` and ``gpu.py`` ask alike, with their defaults."""
    parser.add_argument("--network", choices=NETWORKS, default="maxpool8")
    parser.add_argument("--width", type=int, help="channels of a layer, instead of its own")
    parser.add_argument("--sizes", type=int, nargs="+", default=sizes, help="in pixels")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=steps, help="timed steps of a process")
    parser.add_argument("--matrix", type=int, default=2048, help="edge of the product compared to")


def architecture(name: str, width: int | None) -> ConvolutionalNetwork:
    """Return a network's settings, of another width where one is given."""
    return NETWORKS[name].model_copy(update={"width": width} if width else {})


def differs(variant: str, method: str) -> bool:
    """Return whether a method has this variant, or would be float32 again."""
    if variant in ("plain", "float32"):
        return True
    if variant in ("tf32", "computed"):
        return method in REGULARISERS
    return (
        method in REGULARISERS and "crafting" in inspect.signature(REGULARISERS[method]).parameters
    )


def time_here(step: Step) -> dict[str, Any]:
    """Return seconds of a step, images per second, peak memory and the share of the matrix rate."""
    device, size = step.device, step.size
    random = torch.Generator().manual_seed(0)
    reproducible(step.threads)
    if step.variant == "plain":
        as_pytorch_starts()
    inputs = torch.randn(step.batch_size, 3, size, size, generator=random).to(device)
    targets = torch.randint(0, 10, (step.batch_size,), generator=random).to(device)
    settings = architecture(step.network, step.width)
    ours = build(settings, Shape(3, size, 10), random).to(device).train()
    if step.variant == "plain":
        timed = plain_code(step.method, settings, ours, inputs, targets)
    elif step.method in MEASURING:
        timed = own_measuring(step.method, ours, inputs, targets, device)
    else:
        timed = own_step(step.variant, step.method, ours, inputs, targets, device)
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    seconds = best_seconds(timed, step.steps, device)
    precision = torch.bfloat16 if step.variant in ("bfloat16", "anchored") else torch.float32
    torch.backends.cuda.matmul.allow_tf32 = step.variant == "tf32"
    operations = 2 * settings.counts(3, size)[0] * len(inputs) * PASSES[step.method]
    return {
        "seconds": seconds,
        "images_per_second": len(inputs) / seconds,
        "nanoseconds_per_pixel": 1e9 * seconds / (len(inputs) * size**2),
        "peak_megabytes": peak_megabytes(device),
        "of_matrix_rate": operations / seconds / matrix_rate(precision, device, step.matrix),
    }


def plain_code(
    method: str,
    settings: ConvolutionalNetwork,
    ours: nn.Module,
    inputs: Tensor,
    targets: Tensor,
) -> Callable[[], None]:
    """Return the step, or the measuring, of plain research code from the same weights."""
    plain = plain_network(settings, 3, inputs.shape[-1], 10)
    network = plain.to(inputs.device).train()
    copy_weights(ours, network)
    if method in MEASURING:
        start = torch.zeros_like(inputs)
        arguments = (network, inputs, targets, EPSILON, start, ATTACK_STEPS, RELATIVE_STEP)
        return measuring(method, network, inputs, lambda: plain_pgd(*arguments))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    return lambda: plain_step(method, network, optimiser, inputs, targets, EPSILON)


def own_measuring(
    method: str, network: nn.Module, inputs: Tensor, targets: Tensor, device: str
) -> Callable[[], None]:
    """Return the measuring that the package does."""
    network = to_device(network, device)
    inputs = inputs.contiguous(memory_format=memory_format(device))
    attack = {"steps": ATTACK_STEPS, "relative_step": RELATIVE_STEP}
    return measuring(
        method, network, inputs, lambda: ascend(network, inputs, targets, EPSILON, **attack)
    )


def as_pytorch_starts() -> None:
    """Let the process compute as PyTorch does by default."""
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.allow_tf32 = True


def own_step(
    variant: str,
    method: str,
    network: nn.Module,
    inputs: Tensor,
    targets: Tensor,
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
    descent = Descent(network.parameters(), momentum=0.9, weight_decay=0.0)
    attack = torch.Generator(device).manual_seed(0)

    def learn(inputs: Tensor, targets: Tensor) -> None:
        descent.forget_gradients()
        with calculation.step():
            crafting = calculation.crafting
            loss = function(network, inputs, targets, EPSILON, random=attack, crafting=crafting)
            loss.backward()
        descent.step(0.01)

    repeated = learn if computed or device == "cpu" else Recorded(learn, attack)
    return lambda: repeated(inputs, targets)


def measuring(
    method: str,
    network: nn.Module,
    inputs: Tensor,
    attack: Callable[[], Tensor],
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


def matrix_rate(precision: torch.dtype, device: str, edge: int) -> float:
    """Return the operations per second of a large square matrix product."""
    left = torch.randn(edge, edge, device=device).to(precision)
    return 2 * edge**3 / best_seconds(lambda: torch.mm(left, left), 4, device)


def peak_megabytes(device: str) -> float:
    """Return the most memory that the process has held, on the device where that is a GPU."""
    if device == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return torch.cuda.max_memory_allocated() / 2**20


if __name__ == "__main__":
    main()
