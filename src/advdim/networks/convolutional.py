"""The papers' convolutional networks: same layers and parameter count at every input size."""

from __future__ import annotations

from typing import Any, Literal

from torch import nn

from advdim.config.convolutional import ConvolutionalNetwork
from advdim.networks.layers import GlobalMaxPool, ReflectedConvolution

PaddingMode = Literal["reflect", "zeros", "circular"]


def convolutional(
    settings: ConvolutionalNetwork, channels: int, size: int, classes: int
) -> nn.Sequential:
    """Build the network for (N, channels, size, size) inputs and (N, classes) logits.

    A layer is: padding of width = dilation, 3x3 convolution with bias, the 2x2 pool if any, batch
    norm, ReLU (ICML 2019, Section 4). ``strided6`` and ``maxpool8`` are settings of it.
    """
    dilation, layers = settings.dilation_at(size), nn.Sequential()
    for number, stride in enumerate(settings.layer_strides(), start=1):
        geometry = {"stride": stride, "padding": dilation, "dilation": dilation}
        layers.append(_convolution(settings.padding, channels, settings.width, **geometry))
        channels = settings.width
        if number in settings.pool_after:
            layers.append(_pool(settings.pool, settings.width))
        if settings.batch_norm:
            layers.append(nn.BatchNorm2d(settings.width))
        layers.append(nn.ReLU())
    if settings.head == "global_max":
        layers.append(GlobalMaxPool())
    elif settings.head == "global_average":
        layers.append(nn.AdaptiveAvgPool2d(1))
    nodes = settings.final_edge(size) ** 2 if settings.head == "flatten" else 1
    return layers.append(nn.Flatten()).append(nn.Linear(settings.width * nodes, classes))


def _convolution(mode: PaddingMode, inputs: int, outputs: int, **geometry: Any) -> nn.Conv2d:
    if mode == "reflect":
        return ReflectedConvolution(inputs, outputs, 3, **geometry)
    return nn.Conv2d(inputs, outputs, 3, padding_mode=mode, **geometry)


def _pool(kind: str, width: int) -> nn.Module:
    if kind == "max":
        return nn.MaxPool2d(2)
    if kind == "average":
        return nn.AvgPool2d(2)
    return nn.Conv2d(width, width, kernel_size=2, stride=2)
