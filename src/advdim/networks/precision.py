"""The arithmetic of a training: of its attacks, and of the pass that its weights learn from.

Nothing that is measured goes through here: measures are float32 whatever the precision is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from advdim.networks.low_precision import (
    Anchored,
    anchored,
    low_precision,
    low_precision_backward,
)

# How training attacks are crafted, by precision.
CRAFTING: dict[str, Callable[[nn.Module], nn.Module]] = {
    "float32": lambda network: network,
    "tf32": lambda network: network,
    "bfloat16_backward": low_precision_backward,
    "anchored": anchored,
    "bfloat16": low_precision,
}
# What a GPU with tensor cores gets where the precision is left open: the fastest by its counts
# that keeps .99 of float32's damage (docs/speed.md).
ON_TENSOR_CORES = "anchored"


def precision_used(wanted: str, device: torch.device | str) -> str:
    """Return the precision that a device gets; float32 where it is not faster at the one wanted."""
    if wanted == "auto":
        on_gpu = torch.device(device).type == "cuda" and has_bfloat16(device)
        return ON_TENSOR_CORES if on_gpu else "float32"
    able = has_tf32 if wanted == "tf32" else has_bfloat16
    return wanted if able(device) else "float32"


def has_tf32(device: torch.device | str) -> bool:
    """Return whether the device multiplies in TF32: GPUs of compute capability 8 and later."""
    if torch.device(device).type != "cuda" or not torch.cuda.is_available():
        return False
    return torch.cuda.get_device_capability(device) >= (8,)


def has_bfloat16(device: torch.device | str) -> bool:
    """Return whether the device computes in bfloat16 faster than in float32."""
    if torch.device(device).type == "cuda":
        # the generation that brought TF32 brought bfloat16; before, it is emulated
        return has_tf32(device)
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16"))


@dataclass(frozen=True)
class Arithmetic:
    """How one network trains at a precision; ``crafting`` is what its attacks differentiate.

    ``bfloat16_backward`` and ``anchored`` may hold for some of its convolutions only: those that
    are layers of the network itself, and not parts of a layer, as of a residual block.
    """

    precision: str
    crafting: nn.Module

    @contextlib.contextmanager
    def step(self) -> Iterator[None]:
        """Surround what is computed of one batch, its backward pass included."""
        if isinstance(self.crafting, Anchored):
            self.crafting.forget()
        with _tf32(True) if self.precision == "tf32" else contextlib.nullcontext():
            yield


def arithmetic(precision: str, network: nn.Module) -> Arithmetic:
    """Set up the arithmetic in which a network trains at a precision that its device has.

    It is float32 where the network has no layer that the precision would change.
    """
    crafting = CRAFTING[precision](network)
    if precision == "tf32":
        _keep_first_layer_exact(network)
    elif crafting is network:
        precision = "float32"
    return Arithmetic(precision, crafting)


def float32_only() -> None:
    """Have every product computed in float32, however a faster one was allowed before.

    PyTorch has two sets of switches, and the user's code may have used either. The older
    ones are set last: who reads them finds no contradiction.
    """
    # PyTorch puts more into its modules than their types tell
    backends: Any = torch.backends
    backends.fp32_precision = backends.cudnn.fp32_precision = "ieee"
    for operation in (backends.mkldnn.conv, backends.mkldnn.rnn):
        operation.fp32_precision = "ieee"
    # of a GPU and of a processor
    torch.set_float32_matmul_precision("highest")
    backends.cudnn.allow_tf32 = False


def _keep_first_layer_exact(network: nn.Module) -> None:
    """Let the first layer's forward pass be float32: TF32 does not see a weak attack's pixels."""
    layers = (m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear))
    first = next(layers, None)
    if first is None:
        return
    entered: list[contextlib.ExitStack] = []

    def before(*_: object) -> None:
        stack = contextlib.ExitStack()
        stack.enter_context(_tf32(False))
        entered.append(stack)

    def after(*_: object) -> None:
        entered.pop().close()

    # Else gradient penalties would take these for hooks of the user's, and the slower way.
    for hook in (before, after):
        hook.same_function = True  # type: ignore[attr-defined]
    first.register_forward_pre_hook(before)
    first.register_forward_hook(after, always_call=True)


@contextlib.contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    """Allow or forbid TF32 in convolutions and matrix products within, for the whole process."""
    matrices: Any = torch.backends.cuda.matmul
    convolutions: Any = torch.backends.cudnn
    # the older switches, read, may complain of the newer
    precisions = matrices.fp32_precision, convolutions.conv.fp32_precision
    were = tuple(precision == "tf32" for precision in precisions)
    matrices.allow_tf32 = convolutions.allow_tf32 = allowed
    try:
        yield
    finally:
        matrices.allow_tf32, convolutions.allow_tf32 = were
