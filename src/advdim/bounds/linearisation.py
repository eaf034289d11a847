"""A network linearised at each sample, with what its kinks cost (see ``local.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from advdim.bounds.constants_and_margins import Analysis, Constants
from advdim.bounds.layers import Convolution, Diagonal, Layer, Linear, Relu, Residual, forward
from advdim.bounds.operator_norms import row_norms
from advdim.bounds.pooling import window_deviation_norms
from advdim.bounds.pools import AdaptiveMaxPool, MaxPool
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
    cuts: list[tuple[Tensor, int]] = []
    bends: list[tuple[Bend, Tensor, Tensor]] = []
    walk = _Walk(tie, bends, LARGEST_BENDS)
    for index in reversed(range(len(analysis.layers))):
        if index < len(analysis.layers) - 1:
            pulled = walk.through(analysis, index, gradients)
            if pulled is None:
                break
            gradients = pulled
        size = gradients.flatten(2).norm(dim=2) * analysis.constants.reach[index]
        cuts.append((size, len(bends)))
    return Linearisation(cuts, bends)


@dataclass
class _Walk:
    """The way back through the layers: the bends so far, and how many choices there may yet be."""

    tie: Tensor
    bends: list[tuple[Bend, Tensor, Tensor]]
    choices_left: int

    def through(self, analysis: Analysis, index: int, gradients: Tensor) -> Tensor | None:
        """Pull gradients (C, N, *output_shape) back through a layer; None where that ends."""
        layer = analysis.layers[index]
        if layer.linear:
            shape = gradients.shape[:2]
            return layer.adjoint(gradients.flatten(0, 1)).unflatten(0, shape)
        if isinstance(layer, Residual):
            return self._residual(analysis, index, layer, gradients)
        self.choices_left -= _choices(layer)
        bend = _bend(analysis, index, self.tie) if self.choices_left >= 0 else None
        return None if bend is None else _pull_back(layer, bend, gradients, self.bends)

    def _residual(
        self, analysis: Analysis, index: int, layer: Residual, gradients: Tensor
    ) -> Tensor | None:
        """Pull back through both parts and add up; each bends by itself."""
        known = len(self.bends)
        total = torch.zeros(())
        for part, constants in zip(
            (layer.body, layer.shortcut), analysis.constants.inner[index], strict=True
        ):
            values = forward(part, analysis.values[index])
            inside = replace(analysis, layers=part, constants=constants, values=values)
            pulled: Tensor | None = gradients
            for position in reversed(range(len(part))):
                pulled = None if pulled is None else self.through(inside, position, pulled)
            if pulled is None:
                # What was begun counts as if it had not been.
                del self.bends[known:]
                return None
            total = total + pulled
        return total


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
        caps = _caps(analysis.layers, constants, index)
    elif isinstance(layer, MaxPool) and layer.tiles:
        choices = _windows(layer, values)
        caps = torch.full((layer.output_shape[0],), spread)
        before = analysis.layers[index - 1]
        if index in constants.joint and isinstance(before, Convolution):
            reach = constants.reach[index - 1]
            spread = constants.deviation[index]
            caps = window_deviation_norms(before, layer) * reach
    else:
        return None
    units = choices.shape[2]
    caps = caps.clamp_max(spread).repeat_interleave(units // len(caps)).to(values.dtype)
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


def _caps(
    layers: Sequence[Layer], constants: Constants, index: int, start: Tensor | None = None
) -> Tensor:
    """Bound the change of one value of each channel of layer ``index``'s input, (channels,).

    Per unit of radius. ``start`` (channels,) is known of the first layer's input. A maximum changes
    by no more than the largest of its arguments, a rectifier by no more than its own.
    """
    if index == 0:
        channels = layers[0].input_shape[0] if layers else len(start) if start is not None else 1
        return start if start is not None else torch.full((channels,), constants.reach[0])
    layer, limit = layers[index - 1], constants.reach[index]
    if isinstance(layer, (Convolution, Linear)):
        caps = row_norms(layer) * (constants.reach[index - 1] * (1 + 1e-9))
    elif isinstance(layer, (MaxPool, AdaptiveMaxPool, Relu)):
        caps = _caps(layers, constants, index - 1, start)
    elif isinstance(layer, Diagonal):
        caps = _caps(layers, constants, index - 1, start) * layer.scale.abs()
    elif isinstance(layer, Residual):
        before = _caps(layers, constants, index - 1, start)
        parts = zip((layer.body, layer.shortcut), constants.inner[index - 1], strict=True)
        body, shortcut = (_caps(part, inner, len(part), before) for part, inner in parts)
        caps = body + shortcut
    else:
        caps = torch.full((layer.output_shape[0],), limit)
    return caps.clamp_max(limit)


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
