"""The papers' initialisations, drawn from a named stream."""

from __future__ import annotations

import math

import torch
from torch import nn

WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


@torch.no_grad()
def he(network: nn.Module, random: torch.Generator) -> None:
    """Initialise in place: weights N(0, 2/fan_in), the last linear layer's N(0, 1/fan_in).

    Biases are 0; batch norm has weight 1 and bias 0 (ICML 2019, hypothesis H3; He et al. 2015).
    """
    weighted = [module for module in network.modules() if isinstance(module, WEIGHTED)]
    for module in weighted:
        fan_in = module.weight[0].numel()
        last = module is weighted[-1] and isinstance(module, nn.Linear)
        deviation = math.sqrt((1 if last else 2) / fan_in)
        module.weight.copy_(torch.randn(module.weight.shape, generator=random) * deviation)
        if module.bias is not None:
            module.bias.zero_()
    for normalisation in network.modules():
        if isinstance(normalisation, nn.modules.batchnorm._BatchNorm):
            normalisation.reset_parameters()


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
