"""Initial weights, drawn from a named stream: He as in the papers, and other schemes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


def he(network: nn.Module, random: torch.Generator) -> None:
    """Initialise in place: weights N(0, 2/fan_in), the last linear layer's N(0, 1/fan_in).

    Biases are 0; batch norm has weight 1 and bias 0 (ICML 2019, hypothesis H3; He et al. 2015).
    """
    initialise(network, random, "he")


@torch.no_grad()
def initialise(network: nn.Module, random: torch.Generator, scheme: str) -> None:
    """Initialise in place by ``he``, ``glorot`` (normal) or ``orthogonal`` (gain sqrt(2)).

    Biases are 0 and batch norm the identity. The last linear layer has no ReLU behind it, so its
    He variance and orthogonal gain are those of a linear map. An attention's joint query, key and
    value matrix is drawn as three linear layers'.
    """
    weighted = [module for module in network.modules() if isinstance(module, WEIGHTED)]
    for module in weighted:
        last = module is weighted[-1] and isinstance(module, nn.Linear)
        _draw(module.weight, random, scheme, gain=1.0 if last else math.sqrt(2))
        if module.bias is not None:
            module.bias.zero_()
    for other in network.modules():
        if isinstance(other, nn.modules.batchnorm._BatchNorm):
            other.reset_parameters()
        if isinstance(other, nn.MultiheadAttention) and other.in_proj_weight is not None:
            for part in other.in_proj_weight.chunk(3):
                _draw(part, random, scheme, gain=1.0)


def by_scheme(network: nn.Module, random: torch.Generator, settings: Any) -> None:
    """Initialise in place by the scheme that the network's settings name."""
    initialise(network, random, settings.initialisation)


def as_caffe(network: nn.Module, random: torch.Generator, settings: object) -> None:
    """Initialise in place as Caffe's examples do, whatever the settings."""
    xavier(network, random)


@torch.no_grad()
def xavier(network: nn.Module, random: torch.Generator) -> None:
    """Initialise in place as Caffe's examples do: weights uniform of variance 1/fan_in, biases 0.

    Caffe's filler takes the fan-in alone (Glorot and Bengio, 2010, have both fans).
    """
    for module in network.modules():
        if isinstance(module, WEIGHTED):
            limit = math.sqrt(3 / module.weight[0].numel())
            uniform = torch.rand(module.weight.shape, generator=random)
            module.weight.copy_((2 * uniform - 1) * limit)
            if module.bias is not None:
                module.bias.zero_()


def _draw(weight: torch.Tensor, random: torch.Generator, scheme: str, gain: float) -> None:
    if scheme == "he":
        deviation = gain / math.sqrt(weight[0].numel())
        weight.copy_(torch.randn(weight.shape, generator=random) * deviation)
    elif scheme == "glorot":
        nn.init.xavier_normal_(weight, generator=random)
    else:
        nn.init.orthogonal_(weight, gain, generator=random)
