"""Networks beyond the papers' own: does the square-root law hold for them?"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from advdim.config.architectures import (
    FullyConnectedNetwork,
    MixerNetwork,
    ResidualNetwork,
    VisionTransformerNetwork,
)
from advdim.networks.layers import GlobalMaxPool


def fully_connected(
    settings: FullyConnectedNetwork, channels: int, size: int, classes: int
) -> nn.Sequential:
    """Build linear layers with ReLU between them on the flattened (N, channels, size, size)."""
    layers, width = nn.Sequential(nn.Flatten()), channels * size**2
    for _ in range(settings.layers):
        layers.append(nn.Linear(width, settings.width)).append(nn.ReLU())
        width = settings.width
    return layers.append(nn.Linear(width, classes))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; (N, inputs, S, S) to (N, outputs, S/stride, ...)."""

    def __init__(self, inputs: int, outputs: int, stride: int, batch_norm: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1),
            nn.BatchNorm2d(outputs) if batch_norm else nn.Identity(),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs) if batch_norm else nn.Identity(),
        )
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return ReLU(body + shortcut)."""
        return torch.relu(self.body(inputs) + self.shortcut(inputs))


def residual(settings: ResidualNetwork, channels: int, size: int, classes: int) -> nn.Sequential:
    """Build a residual network: stages after the first halve the edge; a global pool, linear."""
    width = settings.widths[0]
    layers = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU())
    for stage, outputs in enumerate(settings.widths):
        for block in range(settings.blocks):
            stride = 2 if stage and not block else 1
            layers.append(ResidualBlock(width, outputs, stride, settings.batch_norm))
            width = outputs
    pool = GlobalMaxPool() if settings.head == "global_max" else nn.AdaptiveAvgPool2d(1)
    layers.append(pool).append(nn.Flatten())
    return layers.append(nn.Linear(width, classes))


class Patches(nn.Module):
    """Cut an image into patches and embed each: (N, C, S, S) to (N, patches^2, width)."""

    def __init__(self, channels: int, size: int, patches: int, width: int) -> None:
        super().__init__()
        edge = size // patches
        self.embedding = nn.Conv2d(channels, width, edge, stride=edge)
        self.position = nn.Parameter(0.02 * torch.randn(1, patches**2, width))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return one token per patch, row by row."""
        return self.embedding(inputs).flatten(2).transpose(1, 2) + self.position


class MeanOverTokens(nn.Module):
    """Average (N, tokens, width) to (N, width)."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the mean token."""
        return tokens.mean(1)


def vision_transformer(
    settings: VisionTransformerNetwork, channels: int, size: int, classes: int
) -> nn.Sequential:
    """Build patches, pre-norm encoder layers, layer norm, mean over tokens, linear."""
    width = settings.width
    layers = nn.Sequential(Patches(channels, size, settings.patches, width))
    for _ in range(settings.layers):
        layers.append(
            nn.TransformerEncoderLayer(
                width, settings.heads, 4 * width, dropout=0.0, batch_first=True, norm_first=True
            )
        )
    layers.append(nn.LayerNorm(width)).append(MeanOverTokens())
    return layers.append(nn.Linear(width, classes))


class MixerLayer(nn.Module):
    """Mix (N, tokens, width) over tokens, then over channels, each beside a shortcut."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.token_norm, self.channel_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.over_tokens = _perceptron(tokens)
        self.over_channels = _perceptron(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens of the same shape."""
        mixed = self.over_tokens(self.token_norm(tokens).transpose(1, 2)).transpose(1, 2)
        tokens = tokens + mixed
        return tokens + self.over_channels(self.channel_norm(tokens))


def _perceptron(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


def mixer(settings: MixerNetwork, channels: int, size: int, classes: int) -> nn.Sequential:
    """Build patches, mixer layers, layer norm, mean over tokens, linear."""
    width = settings.width
    layers = nn.Sequential(Patches(channels, size, settings.patches, width))
    for _ in range(settings.layers):
        layers.append(MixerLayer(settings.patches**2, width))
    layers.append(nn.LayerNorm(width)).append(MeanOverTokens())
    return layers.append(nn.Linear(width, classes))
