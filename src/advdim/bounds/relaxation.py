"""Bounds for networks with one ReLU layer behind a linear map: the exact map is at hand.

Multilayer perceptrons with one hidden layer and average-pool networks are of this kind. With
``p = V x + b`` the pre-activations and a the direction of a margin, within radius rho each p_i
moves by at most ``norm(v_i) rho``, and the whole linear term by ``norm(V^T slopes a) rho``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from advdim.bounds.constants_and_margins import Analysis, divide
from advdim.bounds.layers import Layer, Relu

LARGEST_MAP = 50_000_000  # entries of V
BISECTIONS = 30
SLACK = 1 - 1e-9


def only_relu(layers: list[Layer]) -> int | None:
    """Return the index of the network's only nonlinear layer if it is a ReLU, else None."""
    nonlinear = [index for index, layer in enumerate(layers) if not layer.linear]
    if len(nonlinear) != 1 or not isinstance(layers[nonlinear[0]], Relu):
        return None
    units = layers[nonlinear[0]].input_shape
    inputs = layers[0].input_shape
    entries = torch.Size(units).numel() * torch.Size(inputs).numel()
    return nonlinear[0] if entries <= LARGEST_MAP else None


def explicit_map(layers: list[Layer], index: int) -> Tensor:
    """Return V of shape (units, inputs): the linear map from the input to layer ``index``."""
    units = torch.Size(layers[index].input_shape).numel()
    gradients = torch.eye(units, dtype=torch.float64).view(units, *layers[index].input_shape)
    for layer in reversed(layers[:index]):
        gradients = layer.adjoint(gradients)
    return gradients.flatten(1)


def tail_directions(analysis: Analysis, index: int) -> Tensor:
    """Pull the margins' directions back through the linear layers behind ``index``: (C, N, U)."""
    gradients = analysis.directions
    classes, samples = gradients.shape[:2]
    for layer in reversed(analysis.layers[index + 1 : -1]):
        gradients = layer.adjoint(gradients.flatten(0, 1)).unflatten(0, (classes, samples))
    return gradients.flatten(2)


def relaxation_bound(analysis: Analysis) -> Tensor | None:
    """Return the linear-relaxation radius (N,), or None where the prefix is not linear.

    ReLU between the bounds l < 0 < u lies above ``alpha p`` (alpha in [0, 1]) and below the chord
    ``u (p - l) / (u - l)`` (Zhang et al., NeurIPS 2018, CROWN, here with l2 intervals).
    """
    return _certify(analysis, _relaxed_loss)


def kink_bound(analysis: Analysis) -> Tensor | None:
    """Return the local kink radius (N,), or None where the prefix is not linear.

    ReLU is convex, so beyond its tangent at the sample it can only rise, by at most
    ``max(norm(v_i) rho - |p_i|, 0)``; this costs margin only where a_i < 0.
    """
    return _certify(analysis, _kink_loss)


Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def _certify(analysis: Analysis, loss: Loss) -> Tensor | None:
    """Bisect on the radius: the largest at which the loss of margin stays below the margin."""
    index = only_relu(list(analysis.layers))
    if index is None:
        return None
    matrix = explicit_map(list(analysis.layers), index)
    preactivations = analysis.values[index].flatten(1).double()
    directions = tail_directions(analysis, index).double()
    margins = analysis.margins.T.double()
    # Infinite at the prediction itself, and at classes that no input can reach.
    least = divide(margins, directions.norm(dim=2) * matrix.norm(dim=1).max())
    finite = torch.isfinite(least)
    low = torch.zeros_like(margins)
    high = torch.where(finite, least, 0.0)
    for _ in range(60):  # grow until not certified, so that bisection starts from a bracket
        certified = finite & (loss(matrix, preactivations, directions, high) < margins * SLACK)
        if not bool(certified.any()) or float(high.max()) > 1e12:
            break
        low, high = torch.where(certified, high, low), torch.where(certified, 2 * high, high)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        certified = loss(matrix, preactivations, directions, middle) < margins * SLACK
        low, high = torch.where(certified, middle, low), torch.where(certified, high, middle)
    return torch.where(finite, low, torch.inf).amin(0)


def _relaxed_loss(
    matrix: Tensor, preactivations: Tensor, directions: Tensor, radius: Tensor
) -> Tensor:
    change = radius[..., None] * matrix.norm(dim=1)
    lower, upper = preactivations - change, preactivations + change
    chord = upper.clamp_min(0) / (upper.clamp_min(0) - lower.clamp_max(0)).clamp_min(1e-300)
    below = torch.where(lower >= 0, 1.0, torch.where(upper > -lower, 1.0, 0.0).to(chord))
    below = torch.where(upper <= 0, 0.0, below)
    slopes = torch.where(directions > 0, below, chord)
    offset = torch.where(directions > 0, 0.0, -chord * lower.clamp_max(0))
    drop = preactivations.clamp_min(0) - slopes * preactivations - offset
    linear = ((directions * slopes) @ matrix).norm(dim=2)
    return (directions * drop).sum(2) + radius * linear


def _kink_loss(
    matrix: Tensor, preactivations: Tensor, directions: Tensor, radius: Tensor
) -> Tensor:
    change = radius[..., None] * matrix.norm(dim=1)
    rise = (change - preactivations.abs()).clamp_min(0)
    linear = ((directions * (preactivations > 0)) @ matrix).norm(dim=2)
    return ((-directions).clamp_min(0) * rise).sum(2) + radius * linear
