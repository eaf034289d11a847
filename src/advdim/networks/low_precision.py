"""A network's twin that computes in bfloat16, on the same parameters and statistics.

Perturbations are crafted with it: only the sign or the direction of a gradient enters them, and
whatever is made of them is computed in float32.
"""

from __future__ import annotations

import torch
from torch import nn

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

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) of any type to bfloat16 (N, C', H', W')."""
        weight, bias = self.convolution.weight, self.convolution.bias
        return self.convolution._conv_forward(
            maps.bfloat16(), weight.bfloat16(), None if bias is None else bias.bfloat16()
        )


class Float32Linear(nn.Module):
    """A linear layer in float32: its logits decide between classes."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map (N, F) of any type to float32 logits (N, K)."""
        return self.linear(features.float())


class Autocast(nn.Module):
    """Any other network, as PyTorch's autocast computes it in bfloat16."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to float32 logits (N, K)."""
        # no cache: the weights change between calls, and a cached cast holds on to a graph
        with torch.autocast(inputs.device.type, torch.bfloat16, cache_enabled=False):
            return self.network(inputs).float()


def low_precision(network: nn.Module) -> nn.Module:
    """Return a module that maps like ``network``, on its parameters and statistics, in bfloat16.

    Inputs (N, C, H, W) and logits (N, K) are float32. The twin follows the network's parameters
    and its batch norm's mode, and its batch norm updates the network's statistics.
    """
    if not isinstance(network, nn.Sequential):
        return Autocast(network)
    twins: list[nn.Module] = []
    for layer in network:
        if type(layer) is nn.Conv2d:
            twins.append(LowPrecisionConvolution(layer))
        elif type(layer) is nn.Linear:
            twins.append(Float32Linear(layer))
        elif isinstance(layer, AS_THEY_ARE):
            twins.append(layer)
        else:
            return Autocast(network)
    return nn.Sequential(*twins)


def has_bfloat16(device: torch.device | str) -> bool:
    """Return whether the device computes in bfloat16 faster than in float32."""
    if torch.device(device).type == "cuda":
        # emulated below compute capability 8
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16"))
