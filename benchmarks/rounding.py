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
    integers = values.contiguous().view(torch.int32)
    half = (1 << (dropped - 1)) - 1 + ((integers >> dropped) & 1)
    return ((integers + half) & -(1 << dropped)).view(torch.float32)


class RoundedConvolution(nn.Module):
    """A convolution whose forward and backward pass round by a rule each.

    Where it is ``anchored``, the first pass is in float32, and later ones round how far their
    inputs are from the first one's.
    """

    def __init__(
        self, convolution: nn.Conv2d, forward: Rule, backward: Rule, anchored: bool = False
    ) -> None:
        super().__init__()
        self.convolution, self.rules, self.anchored = convolution, (forward, backward), anchored
        self.anchor: tuple[Tensor, Tensor] | None = None

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H', W')."""
        bias = self.convolution.bias
        maps = padded(self.convolution, maps)
        if self.anchor:
            start, value = self.anchor
            return value + _Rounded.apply(maps - start, self.convolution, *self.rules)
        rule = FLOAT32 if self.anchored else self.rules[0]
        outputs = _Rounded.apply(maps, self.convolution, rule, self.rules[1])
        if bias is not None:
            outputs = outputs + bias.view(1, -1, 1, 1)
        if self.anchored:
            self.anchor = maps.detach(), outputs.detach()
        return outputs


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, layer: nn.Conv2d, forward: Rule, backward: Rule) -> Tensor:
        ctx.layer, ctx.rule, ctx.shape = layer, backward, maps.shape
        return forward(
            lambda x, w: nn.functional.conv2d(x, w, None, layer.stride, 0, layer.dilation),
            maps,
            layer.weight.detach(),
        )

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor, None, None, None]:
        layer = ctx.layer
        to_maps = ctx.rule(
            lambda g, w: nn.grad.conv2d_input(
                ctx.shape, w, g, layer.stride, 0, layer.dilation, layer.groups
            ),
            cotangent,
            layer.weight.detach(),
        )
        return to_maps, None, None, None


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


def rounded(
    network: nn.Sequential,
    forward: Rule = FLOAT32,
    backward: Rule = FLOAT32,
    *,
    first_in_float32: bool = False,
    anchored: bool = False,
    maps: bool = False,
) -> nn.Sequential:
    """Return a twin on the same parameters that rounds; with ``maps`` what passes between layers.

    ``first_in_float32`` leaves the forward pass of the first convolution as it is.
    """
    twins, seen = nn.Sequential(), 0
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            exact = first_in_float32 and not seen
            layer = RoundedConvolution(layer, FLOAT32 if exact else forward, backward, anchored)
            seen += 1
        twins.append(layer)
        if maps and not isinstance(layer, nn.Linear):
            twins.append(RoundedMaps())
    return twins


def forget(twin: nn.Module) -> None:
    """Let the next pass be the first one."""
    for module in twin.modules():
        if isinstance(module, RoundedConvolution):
            module.anchor = None


# What the package offers or could, as it rounds.
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
