"""The local bound: linearise at the sample, and charge each kink for how far it can bend.

Write a network's margin against class c' at x + r as ``margin + G r - (what bends)``. ReLU and
maximum are convex, so with slopes alpha (a subgradient or any convex combination of the choices)

    max_i (y_i + d_i) >= max y + alpha . d - sum alpha_i gap_i            (coefficient >= 0)
    max_i (y_i + d_i) <= max y + alpha . d + max_i (norm(e_i - alpha) delta - gap_i)   (< 0)

where gap_i = max y - y_i and delta is the norm of the window's deviations from their mean. ReLU is
the maximum of (p, 0). Within radius rho, a layer's deltas satisfy ``norm(delta) <= spread rho``
and ``delta_j <= cap_j rho``; for every lambda >= 0 (weak duality)

    sum_j c_j (beta_j delta_j - gap_j)_+  <=  lambda (spread rho)^2 / 2
      + sum_j max over delta in [0, cap_j rho] of (c_j (beta_j delta - gap_j) - lambda/2 delta^2)_+

The layers before any cut may instead be charged ``norm(gradient there) * reach * rho``. The
bound is the largest rho found at which the margin outweighs the cheapest cut.
"""

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

MULTIPLIERS = (0.0, 0.09, 0.13, 0.18, 0.25, 0.35, 0.5, 0.71, 1.0)
BISECTIONS = 14
LARGEST_BENDS = 60_000  # choices of all units; a wider network is linearised in its last layers
WORTHWHILE = 1.001  # a pass that gains less ends the search
SOFTNESS = (0.1, 0.25, 0.3)  # any is sound; these were best on LeNet


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


def local_bound(analysis: Analysis, start: Tensor) -> Tensor:
    """Return the certified radius (N,) found from the certified ``start`` (N,) upwards.

    Slopes are softened near ties, at the scale of the radius found so far; any slopes are sound.
    """
    best, gains = start, torch.ones_like(start, dtype=torch.bool)
    for softness in SOFTNESS:
        linearisation = _linearise(analysis, softness * best)
        radius = _largest_radius(analysis, linearisation, best)
        # Per sample, so that no sample's bound depends on its batch.
        gains &= radius > WORTHWHILE * best
        best = torch.where(gains, radius, best)
        if not bool(gains.any()):
            break
    return best


def _linearise(analysis: Analysis, tie: Tensor) -> Linearisation:
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


def _bend_cost(bend: Bend, coefficients: Tensor, radius: Tensor) -> Tensor:
    """Bound what a layer's kinks cost within ``radius`` (C, N); coefficients are (C, N, U)."""
    ones = torch.ones_like(coefficients[:1, :1])
    weights, spread = bend.by_class or (ones, torch.full_like(radius, bend.spread))
    reach = (spread * radius).clamp_min(1e-300)
    caps = bend.caps * radius[..., None]
    steepest = coefficients * bend.beta.amax(1)
    # Without gaps and caps, this price would be the best one.
    price = (steepest / weights.clamp_min(1e-300).sqrt()).norm(dim=2) / reach
    cost = torch.full_like(radius, torch.inf)
    for multiplier in MULTIPLIERS:
        curvature = (multiplier * price)[..., None] * weights
        gain = torch.zeros_like(coefficients)
        for choice in range(bend.beta.shape[1]):
            slope = coefficients * bend.beta[:, choice]
            change = torch.minimum(slope / curvature.clamp_min(1e-300), caps)
            spent = coefficients * bend.gaps[:, choice] + curvature * change.square() / 2
            gain = torch.maximum(gain, slope * change - spent)
        cost = torch.minimum(cost, gain.sum(2) + multiplier * price * reach.square() / 2)
    return cost


def _cost(linearisation: Linearisation, radius: Tensor) -> Tensor:
    """Bound the loss of margin within ``radius`` (C, N), by the cheapest cut."""
    bent = [torch.zeros_like(radius)]
    for bend, coefficients, constant in linearisation.bends:
        bent.append(bent[-1] + constant + _bend_cost(bend, coefficients, radius))
    costs = [size * radius + bent[count] for size, count in linearisation.cuts]
    return torch.stack(costs).amin(0) * (1 + 1e-6)


def _largest_radius(analysis: Analysis, linearisation: Linearisation, start: Tensor) -> Tensor:
    """Bisect, per class, between the certified ``start`` and what the gradient alone allows."""
    margins = analysis.margins.T
    low = start.expand_as(margins).clone()
    steepest = torch.stack([size for size, _ in linearisation.cuts]).amin(0)
    high = torch.maximum(margins / steepest.clamp_min(1e-300), low)
    finite = torch.isfinite(high)
    high = torch.where(finite, high, low)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        certified = _cost(linearisation, middle) < margins
        low, high = torch.where(certified, middle, low), torch.where(certified, high, middle)
    return torch.where(finite, low, torch.inf).amin(0)
