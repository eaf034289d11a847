"""LeNet as Caffe has it: the network of Peck et al. (NIPS 2017, Section 5)."""

from __future__ import annotations

from torch import nn

from advdim.config.lenet import LenetNetwork


def lenet(settings: LenetNetwork, channels: int, size: int, classes: int) -> nn.Sequential:
    """Build the network for (N, channels, size, size) inputs and (N, classes) logits.

    By default: convolution 5x5x20, max pool 2, convolution 5x5x50, max pool 2, fully connected
    500, ReLU, fully connected to the classes.
    """
    layers = nn.Sequential()
    edge = size
    for outputs, convolved in zip(settings.channels, settings.edges(size), strict=True):
        layers.append(nn.Conv2d(channels, outputs, settings.kernel))
        if settings.relu:
            layers.append(nn.ReLU())
        if settings.pool > 1:
            layers.append(nn.MaxPool2d(settings.pool))
        channels, edge = outputs, convolved // settings.pool
    layers.append(nn.Flatten())
    values = channels * edge**2
    for units in settings.hidden:
        layers.append(nn.Linear(values, units)).append(nn.ReLU())
        values = units
    return layers.append(nn.Linear(values, classes))
