"""The bounds of Peck et al. (NIPS 2017) as published: Theorems A.3, 4.1, 4.2 and 4.4.

They are reproduced, not endorsed: 4.1 does not hold for ReLU and 4.2 not for overlapping patches
(``docs/bounds.md``). Layers that the paper does not treat pass the bound on by their l2 Lipschitz
constant: batch normalisation's diagonal, and residual layers. Reflection padding passes it on
unchanged, as zero padding does in the paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from advdim.bounds.constants_and_margins import Analysis, divide
from advdim.bounds.layers import (
    Convolution,
    Diagonal,
    Flatten,
    Layer,
    Linear,
    ReflectionPad,
    Relu,
    Residual,
)
from advdim.bounds.pools import AdaptiveMaxPool, AveragePool, LpPool, MaxPool


@dataclass(frozen=True)
class Conventions:
    """What the paper's text leaves open.

    ``jacobian_norm``: the norm of J in Theorem 4.1; the paper's plain norm reads as ``spectral``.
    ``second_derivative``: M, the bound on second derivatives; 0 for piecewise linear layers.
    """

    jacobian_norm: Literal["spectral", "frobenius"] = "spectral"
    second_derivative: float = 0.0


def softmax_bound(margins: Tensor, directions: Tensor) -> Tensor:
    """Theorem A.3, exact: ``min over c' of margin / norm(w_c - w_c')``.

    ``margins`` (C, N) is infinite at the prediction, ``directions`` is (C, N, F); returns (N,).
    """
    return divide(margins, directions.norm(dim=2)).amin(0)


def fully_connected_bound(
    kappa: Tensor, jacobian_norm: Tensor, outputs: int, second_derivative: float
) -> Tensor:
    """Theorem 4.1, Eq. 1, in the form ``2 kappa / (J + sqrt(J^2 + 2 M sqrt(n) kappa))``.

    It equals the printed quotient and tends to ``kappa / J`` as M tends to 0, to infinity with
    kappa. All tensors (N,).
    """
    curvature = 2 * second_derivative * math.sqrt(outputs) * kappa
    if second_derivative == 0:
        curvature = torch.zeros_like(kappa)
    bound = divide(2 * kappa, jacobian_norm + (jacobian_norm**2 + curvature).sqrt())
    return torch.where(kappa.isinf(), kappa, bound)


def convolution_bound(kappa: Tensor, weight: Tensor) -> Tensor:
    """Theorem 4.2, Eq. 2: ``kappa / norm_F(W)``."""
    return divide(kappa, weight.norm().to(kappa).expand_as(kappa))


def pooling_bound(kappa: Tensor, edge: float, kernel: float, p: float = math.inf) -> Tensor:
    """Theorem 4.4, Eq. 3 and 4: ``kappa / t``, and for L_p pooling ``kappa / (t q^(2/p))``.

    ``edge`` is the output's edge t; ``p`` infinite means max or average pooling.
    """
    return kappa / (edge * kernel ** (2 / p))


def published_bound(analysis: Analysis, conventions: Conventions | None = None) -> Tensor:
    """Compose the theorems from the logits to the input; returns (N,) in the input's units."""
    chosen = conventions or Conventions()
    kappa = softmax_bound(analysis.margins.T, analysis.directions)
    for index in reversed(range(len(analysis.layers) - 1)):
        kappa = _through(analysis, index, kappa, chosen)
    return kappa


def _through(analysis: Analysis, index: int, kappa: Tensor, chosen: Conventions) -> Tensor:
    layer = analysis.layers[index]
    if isinstance(layer, Linear):
        norm = _jacobian_norm(analysis, index, chosen.jacobian_norm)
        return fully_connected_bound(kappa, norm, layer.weight.shape[0], chosen.second_derivative)
    if isinstance(layer, Convolution):
        return convolution_bound(kappa, layer.weight)
    if isinstance(layer, AdaptiveMaxPool):
        return pooling_bound(kappa, math.sqrt(math.prod(layer.output_shape[1:])), 1.0)
    if isinstance(layer, Residual):
        return divide(kappa, torch.full_like(kappa, analysis.constants.exact[index]))
    if isinstance(layer, (MaxPool, AveragePool, LpPool)):
        edge = math.sqrt(layer.output_shape[1] * layer.output_shape[2])
        kernel = math.sqrt(layer.kernel[0] * layer.kernel[1])
        return pooling_bound(
            kappa, edge, kernel, layer.p if isinstance(layer, LpPool) else math.inf
        )
    if isinstance(layer, Diagonal):
        return divide(kappa, layer.scale.abs().max().to(kappa).expand_as(kappa))
    if isinstance(layer, (Relu, Flatten, ReflectionPad)):
        return kappa
    raise TypeError(f"No published bound for {type(layer).__name__}.")


def _jacobian_norm(analysis: Analysis, index: int, kind: str) -> Tensor:
    """Return the norm (N,) of the Jacobian of a linear layer and the ReLU behind it, if any."""
    layer: Layer = analysis.layers[index]
    assert isinstance(layer, Linear)
    outputs = analysis.values[index + 1]
    behind = analysis.layers[index + 1]
    active = (outputs > 0).to(outputs) if isinstance(behind, Relu) else torch.ones_like(outputs)
    weight = layer.weight.to(outputs)
    if kind == "frobenius":
        return (active @ weight.square().sum(1)).sqrt()
    gram = weight @ weight.T
    squared = [
        torch.linalg.eigvalsh(gram[on][:, on])[-1] if bool(on.any()) else gram.new_zeros(())
        for on in active.bool()
    ]
    return torch.stack(squared).clamp_min(0).sqrt()
