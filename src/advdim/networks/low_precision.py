"""A network's twins that compute in bfloat16, on the same parameters and statistics.

Perturbations are crafted with them: only the sign or the direction of a gradient enters them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from advdim.networks.layers import ReflectedConvolution, has_hooks, in_turn, padded

# Layers whose twins convolve otherwise.
CONVOLUTIONS = (nn.Conv2d, ReflectedConvolution)
# Layers that take bfloat16 maps beside float32 parameters, and keep their sums in float32.
AS_THEY_ARE = (
    nn.BatchNorm2d,
    nn.ReLU,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.AdaptiveAvgPool2d,
    nn.Flatten,
    nn.Identity,
)


class LowPrecisionConvolution(nn.Module):
    """A convolution in bfloat16 whose parameters are those of a float32 one."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, C, H, W) of any type to bfloat16 (N, C', H', W')."""
        weight, bias = self.convolution.weight, self.convolution.bias
        return self.convolution._conv_forward(
            maps.bfloat16(), weight.bfloat16(), None if bias is None else bias.bfloat16()
        )


class LowPrecisionBackward(nn.Module):
    """A convolution in float32 whose gradients go back through it in bfloat16.

    What a max pool or a rectifier chooses is then exact; what is rounded is linear. The gradient
    of the inputs alone is computed, none of the parameters.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H', W'), as the convolution does."""
        layer, padding = self.convolution, self.convolution.padding
        if layer.padding_mode != "zeros":
            maps, padding = padded(layer, maps), (0, 0)
        return _ConvolveAndRoundGradients.apply(maps, layer, padding)


class AnchoredConvolution(nn.Module):
    """A convolution that rounds to bfloat16 how far its inputs are from those of its first pass.

    The first pass is in float32. What comes later is its result plus the convolution of the
    difference, which bfloat16 resolves however small it is: nearly equal inputs stay apart, where
    rounding the inputs themselves would make them equal. Gradients go back in bfloat16.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.first = LowPrecisionBackward(convolution)
        self.anchor: tuple[Tensor, Tensor] | None = None

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H', W') in float32; maps of another shape anchor anew."""
        if self.anchor is None or self.anchor[0].shape != maps.shape:
            outputs = self.first(maps)
            self.anchor = maps.detach(), outputs.detach()
            return outputs
        start, value = self.anchor
        layer = self.first.convolution
        weight = layer.weight.detach().bfloat16()
        return value + layer._conv_forward((maps - start).bfloat16(), weight, None).float()


class Anchored(nn.Sequential):
    """A network whose passes follow one another on nearly the same inputs, as an attack's do."""

    def forget(self) -> None:
        """Let the next pass be a first one: before other images, and after other weights."""
        for layer in self:
            if isinstance(layer, AnchoredConvolution):
                layer.anchor = None


class _ConvolveAndRoundGradients(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, layer: nn.Conv2d, padding: tuple[int, int]) -> Tensor:
        ctx.layer, ctx.padding, ctx.shape = layer, padding, maps.shape
        return nn.functional.conv2d(
            maps, layer.weight, layer.bias, layer.stride, padding, layer.dilation, layer.groups
        )

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor, None, None]:
        layer = ctx.layer
        weight = layer.weight.detach().bfloat16()
        # only its shape and layout are looked at
        maps = torch.empty(
            ctx.shape, dtype=weight.dtype, device=weight.device, memory_format=torch.channels_last
        )
        to_maps, _, _ = torch.ops.aten.convolution_backward(
            cotangent.bfloat16(), maps, weight, None, layer.stride, ctx.padding,
            layer.dilation, False, (0, 0), layer.groups, (True, False, False),
        )  # fmt: skip
        return to_maps.float(), None, None


class Float32Linear(nn.Module):
    """A linear layer in float32: its logits decide between classes."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, F) of any type to float32 logits (N, K)."""
        return self.linear(features.float())


class Autocast(nn.Module):
    """Any other network, as PyTorch's autocast computes it in bfloat16."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, C, H, W) to float32 logits (N, K)."""
        # no cache: the weights change between calls, and a cached cast holds on to a graph
        with torch.autocast(inputs.device.type, torch.bfloat16, cache_enabled=False):
            return self.network(inputs).float()


def low_precision(network: nn.Module) -> nn.Module:
    """Return a module that maps like ``network``, on its parameters and statistics, in bfloat16.

    Inputs (N, C, H, W) and logits (N, K) are float32. The twin follows the network's parameters
    and its batch norm's mode, and its batch norm updates the network's statistics.
    """
    layers = in_turn(network)
    if layers is None:
        return Autocast(network)
    twins: list[nn.Module] = []
    for layer in layers:
        if _convolves(layer):
            twins.append(LowPrecisionConvolution(layer))
        elif type(layer) is nn.Linear:
            twins.append(Float32Linear(layer))
        elif isinstance(layer, AS_THEY_ARE):
            twins.append(layer)
        else:
            return Autocast(network)
    return nn.Sequential(*twins)


def low_precision_backward(network: nn.Module) -> nn.Module:
    """Return a module that maps as ``network`` does, and whose input gradients are rounded.

    The forward pass is the network's own, in float32; those of its layers that are convolutions
    pass gradients on in bfloat16. Convolutions inside of other layers, as of residual blocks,
    compute in float32, and a network without any other is returned as it is.
    """
    twins = _convolving(network, LowPrecisionBackward)
    return nn.Sequential(*twins) if twins else network


def anchored(network: nn.Module) -> nn.Module:
    """Return a twin whose first pass is ``low_precision_backward``'s, and later ones in bfloat16.

    ``Anchored.forget`` is called before each batch. Convolutions inside of other layers compute in
    float32, and a network without any other is returned as it is.
    """
    twins = _convolving(network, AnchoredConvolution)
    return Anchored(*twins) if twins else network


def _convolving(
    network: nn.Module, twin: Callable[[nn.Conv2d], nn.Module]
) -> list[nn.Module] | None:
    """Return the layers, convolutions with padding in numbers as their twins; None without any."""
    layers = in_turn(network) or []
    twins = [twin(layer) if _has_twin(layer) else layer for layer in layers]
    return None if twins == layers else twins


def _has_twin(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    return _convolves(layer) and not isinstance(layer.padding, str)


def _convolves(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Tell whether a layer is a convolution and nothing else.

    Hooks, as ``spectral_norm`` sets them, may make its weights whenever it is called.
    """
    return type(layer) in CONVOLUTIONS and not has_hooks(layer)
