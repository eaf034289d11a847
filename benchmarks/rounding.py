"""Networks whose convolutions round as other hardware does: on a processor, in float32, by bits.

A product of two numbers of at most 11 significant bits is exact in float32, and sums are kept in
float32, as tensor cores do; only the order of the sums is the processor's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from advdim.networks.layers import padded
from advdim.networks.low_precision import Anchored
from advdim.networks.precision import Arithmetic
from advdim.training.loop import Trainer

TF32_BITS, BFLOAT16_BITS = 10, 7
Bilinear = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Rule:
    """How factors are rounded: to how many bits behind the first, and into how many parts.

    With two parts a factor is the sum of a number of that many bits and its rounded rest; of the
    four products the smallest is left out. ``bits`` of None is float32 as it is.
    """

    bits: int | None = None
    parts: int = 1
    result_bits: int | None = None

    def __call__(self, product: Bilinear, left: Tensor, right: Tensor) -> Tensor:
        """Return the product under this rule."""
        if self.bits is None:
            return product(left, right)
        high_left, high_right = nearest(left, self.bits), nearest(right, self.bits)
        total = product(high_left, high_right)
        if self.parts == 2:
            total = total + product(high_left, nearest(right - high_right, self.bits))
            total = total + product(nearest(left - high_left, self.bits), high_right)
        return total if self.result_bits is None else nearest(total, self.result_bits)


FLOAT32, TF32 = Rule(), Rule(TF32_BITS)
BFLOAT16 = Rule(BFLOAT16_BITS, result_bits=BFLOAT16_BITS)
SPLIT_BFLOAT16 = Rule(BFLOAT16_BITS, parts=2)


def nearest(values: Tensor, bits: int) -> Tensor:
    """Round float32 to ``bits`` behind the first significant one, to even where two are as near."""
    dropped = 23 - bits
    integers = values.view(torch.int32)
    half = (1 << (dropped - 1)) - 1 + ((integers >> dropped) & 1)
    return ((integers + half) & -(1 << dropped)).view(torch.float32)


class RoundedConvolution(nn.Module):
    """A convolution whose forward and backward pass round by a rule each.

    Where it is ``anchored``, the first pass is in float32, and later ones round how far their
    inputs are from the first one's. Its weights get a gradient where it ``learns``.
    """

    def __init__(
        self,
        convolution: nn.Conv2d,
        forward: Rule,
        backward: Rule,
        *,
        anchored: bool = False,
        learns: bool = False,
    ) -> None:
        super().__init__()
        self.convolution, self.rules = convolution, (forward, backward)
        self.anchored, self.learns = anchored, learns
        self.anchor: tuple[Tensor, Tensor] | None = None

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H', W')."""
        layer = self.convolution
        weight = layer.weight if self.learns else layer.weight.detach()
        maps = padded(layer, maps)
        if self.anchor:
            start, value = self.anchor
            return value + _Rounded.apply(maps - start, weight, layer, *self.rules)
        rule = FLOAT32 if self.anchored else self.rules[0]
        outputs = _Rounded.apply(maps, weight, layer, rule, self.rules[1])
        if layer.bias is not None:
            outputs = outputs + layer.bias.view(1, -1, 1, 1)
        if self.anchored:
            self.anchor = maps.detach(), outputs.detach()
        return outputs


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, weight: Tensor, layer: nn.Conv2d, forward: Rule, backward: Rule
    ) -> Tensor:
        ctx.layer, ctx.rule = layer, backward
        ctx.save_for_backward(maps, weight)
        return forward(
            lambda x, w: nn.functional.conv2d(x, w, None, layer.stride, 0, layer.dilation),
            maps,
            weight,
        )

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight = ctx.saved_tensors
        how = ctx.layer.stride, 0, ctx.layer.dilation
        to_maps = to_weight = None
        if ctx.needs_input_grad[0]:
            to_maps = ctx.rule(
                lambda g, w: nn.grad.conv2d_input(maps.shape, w, g, *how), cotangent, weight
            )
        if ctx.needs_input_grad[1]:
            to_weight = ctx.rule(
                lambda g, x: nn.grad.conv2d_weight(x, weight.shape, g, *how), cotangent, maps
            )
        return to_maps, to_weight, None, None, None


class _RoundedMaps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor) -> Tensor:
        return nearest(maps, BFLOAT16_BITS)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> Tensor:
        return nearest(cotangent, BFLOAT16_BITS)


class RoundedMaps(nn.Module):
    """Maps and their gradients rounded to bfloat16."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return the rounded maps."""
        rounded: Tensor = _RoundedMaps.apply(maps)
        return rounded


class Rounded(Anchored):
    """A twin of a network, on its parameters and statistics, whose convolutions round."""

    def forget(self) -> None:
        """Let the next pass be the first one."""
        for layer in self:
            if isinstance(layer, RoundedConvolution):
                layer.anchor = None


def rounded(
    network: nn.Sequential,
    forward: Rule = FLOAT32,
    backward: Rule = FLOAT32,
    *,
    first_in_float32: bool = False,
    anchored: bool = False,
    maps: bool = False,
    learns: bool = False,
) -> Rounded:
    """Return a twin that rounds; with ``maps`` what passes between layers, too.

    ``first_in_float32`` leaves the forward pass of the first convolution as it is; the weights of
    a twin that ``learns`` get gradients.
    """
    layers: list[nn.Module] = []
    first = True
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            rule = FLOAT32 if first_in_float32 and first else forward
            layer = RoundedConvolution(layer, rule, backward, anchored=anchored, learns=learns)
            first = False
        layers.append(layer)
        if maps and not isinstance(layer, nn.Linear):
            layers.append(RoundedMaps())
    return Rounded(*layers)


# What the package offers or could, as it rounds when it crafts attacks.
TWINS: dict[str, Callable[[nn.Sequential], nn.Module]] = {
    "float32": lambda network: network,
    "tf32": lambda network: rounded(network, TF32, TF32, first_in_float32=True),
    "tf32, first layer too": lambda network: rounded(network, TF32, TF32),
    "bfloat16_backward": lambda network: rounded(network, FLOAT32, BFLOAT16),
    "anchored": lambda network: rounded(network, BFLOAT16, BFLOAT16, anchored=True),
    "sums of two bfloat16": lambda network: rounded(
        network, SPLIT_BFLOAT16, SPLIT_BFLOAT16, first_in_float32=True
    ),
    "bfloat16": lambda network: rounded(network, BFLOAT16, BFLOAT16, maps=True),
}


def let_round(trainer: Trainer, precision: str) -> None:
    """Let a trainer round as other hardware does at a precision, TF32 where weights learn, too."""
    network = trainer.network
    assert isinstance(network, nn.Sequential)
    trainer.arithmetic = Arithmetic(precision, TWINS[precision](network))
    if precision == "tf32":
        trainer.network = rounded(network, TF32, TF32, first_in_float32=True, learns=True)
        trainer.state.network = trainer.network
