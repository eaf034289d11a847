"""A network linearised at each sample, with what its kinks cost (see ``local.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from advdim.bounds.analysis import Analysis
from advdim.bounds.layers import (
    Convolution,
    Diagonal,
    Layer,
    Linear,
    MaxPool,
    Relu,
    TensorShape,
)
from advdim.bounds.pooling import window_deviation_norms
from advdim.bounds.weighting import unit_weights

LARGEST_BENDS = 60_000  # choices of all units; a wider network is linearised in its last layers


@dataclass(frozen=True)
class Bend:
    """One nonlinear layer's slopes and what its kinks cost, for N samples and U units.

    ``slopes`` and ``gaps`` (N, K, U) belong to the K choices each unit has; ``beta`` (N, K, U)
    is ``norm(e_i - alpha)``; ``spread`` and ``caps`` (U,) bound delta per unit of radius.
    ``by_class`` replaces the spread by one of deltas weighted per class (``weighting.py``).
    """

    slopes: Tensor
    gaps: Tensor
    beta: Tensor
    spread: float
    caps: Tensor
    by_class: tuple[Tensor, Tensor] | None


@dataclass(frozen=True)
class Linearisation:
    """Gradients and costs down to the input, for N samples at C classes.

    ``cuts`` lists (``norm(gradient) * reach`` (C, N), how many bends come after the cut).
    ``bends`` lists (bend, negative coefficients (C, N, U), constant cost (C, N)), last layer first.
    """

    cuts: list[tuple[Tensor, int]]
    bends: list[tuple[Bend, Tensor, Tensor]]


def linearise(analysis: Analysis, tie: Tensor) -> Linearisation:
    """Propagate every class's direction backwards; units within ``tie * cap`` count as tied."""
    gradients = analysis.directions
    classes, samples = gradients.shape[:2]
    cuts: list[tuple[Tensor, int]] = []
    bends: list[tuple[Bend, Tensor, Tensor]] = []
    choices_left = LARGEST_BENDS
    for index in reversed(range(len(analysis.layers))):
        layer = analysis.layers[index]
        if index < len(analysis.layers) - 1:
            if layer.linear:
                flat = gradients.flatten(0, 1)
                gradients = layer.adjoint(flat).unflatten(0, (classes, samples))
            else:
                choices_left -= _choices(layer)
                bend = _bend(analysis, index, tie) if choices_left >= 0 else None
                if bend is None:
                    break
                gradients = _pull_back(layer, bend, gradients, bends)
        size = gradients.flatten(2).norm(dim=2) * analysis.constants.reach[index]
        cuts.append((size, len(bends)))
    return Linearisation(cuts, bends)


def _choices(layer: Layer) -> int:
    """Count the arguments among which all units of a nonlinear layer choose."""
    return layer.values_in * (2 if isinstance(layer, Relu) else 1)


def _bend(analysis: Analysis, index: int, tie: Tensor) -> Bend | None:
    """Describe a nonlinear layer at the samples; None where no description is known."""
    layer, values = analysis.layers[index], analysis.values[index]
    constants = analysis.constants
    spread = constants.reach[index]
    if isinstance(layer, Relu):
        choices = torch.stack([values.flatten(1), torch.zeros_like(values.flatten(1))], 1)
        row_norms = _row_norms(analysis.layers, index, constants.reach, layer.input_shape)
    elif isinstance(layer, MaxPool) and layer.tiles:
        choices = _windows(layer, values)
        row_norms = torch.full((layer.output_shape[0],), spread)
        before = analysis.layers[index - 1]
        if index in constants.joint and isinstance(before, Convolution):
            reach = constants.reach[index - 1]
            spread = constants.deviation[index]
            row_norms = window_deviation_norms(before, layer) * reach
    else:
        return None
    units = choices.shape[2]
    caps = row_norms.clamp_max(spread).repeat_interleave(units // len(row_norms)).to(values.dtype)
    gaps = choices.amax(1, keepdim=True) - choices
    slopes = (1 - gaps / (tie[:, None, None] * caps).clamp_min(1e-9)).clamp_min(0)
    slopes = slopes / slopes.sum(1, keepdim=True)
    # norm(e_i - alpha)^2 = 1 - 2 alpha_i + norm(alpha)^2; for ReLU only p moves: [i = p] - alpha_p
    if isinstance(layer, Relu):
        moves = torch.tensor([1.0, 0.0], dtype=values.dtype)[:, None]
        beta = (moves - slopes[:, :1]).abs()
    else:
        beta = (1 - 2 * slopes + slopes.square().sum(1, keepdim=True)).clamp_min(0).sqrt()
    return Bend(slopes, gaps, beta, spread, caps, _class_weights(analysis, index))


def _class_weights(analysis: Analysis, index: int) -> tuple[Tensor, Tensor] | None:
    """Return the units' weights (C, N, U) and spread (C, N) where pairs of classes have them."""
    pairs = analysis.constants.pairs
    if pairs is None or index != len(analysis.layers) - 2:
        return None
    reach = analysis.constants.reach[index - 1]
    spread = pairs.to(analysis.directions)[:, analysis.predictions] * reach
    return unit_weights(analysis.directions), spread


def _row_norms(
    layers: Sequence[Layer], index: int, reach: Sequence[float], shape: TensorShape
) -> Tensor:
    """Bound the change of one value of each channel, per unit of radius, shape (channels,).

    A maximum changes by no more than the largest of its arguments, and signs change nothing.
    """
    position = index - 1
    while position > 0 and isinstance(layers[position], (MaxPool, Diagonal)):
        position -= 1
    layer = layers[position] if position >= 0 else None
    if not isinstance(layer, (Convolution, Linear)):
        return torch.full((shape[0],), reach[index])
    scale = 1.0
    for between in layers[position + 1 : index]:
        if isinstance(between, Diagonal):
            scale *= float(between.scale.abs().max())
    return layer.weight.flatten(1).norm(dim=1) * (reach[position] * scale * (1 + 1e-9))


def _windows(layer: MaxPool, values: Tensor) -> Tensor:
    """Rearrange (N, C, H, W) to (N, window size, C * windows)."""
    _, rows, columns = layer.output_shape
    height, width = layer.kernel
    cropped = values[:, :, : rows * height, : columns * width]
    split = cropped.unflatten(3, (columns, width)).unflatten(2, (rows, height))
    return split.permute(0, 3, 5, 1, 2, 4).flatten(3).flatten(1, 2).flatten(2)


def _pull_back(
    layer: Layer, bend: Bend, gradients: Tensor, bends: list[tuple[Bend, Tensor, Tensor]]
) -> Tensor:
    """Multiply by the slopes, and record coefficients and costs; gradients are (C, N, *shape)."""
    flat = gradients.flatten(2)
    constant = (flat.clamp_min(0) * (bend.slopes * bend.gaps).sum(1)).sum(2)
    bends.append((bend, (-flat).clamp_min(0), constant))
    if isinstance(layer, Relu):
        return (flat * bend.slopes[:, 0]).view_as(gradients)
    assert isinstance(layer, MaxPool)
    channels, rows, columns = layer.output_shape
    height, width = layer.kernel
    spread = flat[:, :, None] * bend.slopes
    split = spread.unflatten(3, (channels, rows, columns)).unflatten(2, (height, width))
    joined = split.permute(0, 1, 4, 5, 2, 6, 3).flatten(5, 6).flatten(3, 4)
    full = gradients.new_zeros(*gradients.shape[:2], *layer.input_shape)
    full[..., : rows * height, : columns * width] = joined
    return full
