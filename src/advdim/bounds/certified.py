"""Norms of linear maps that no transform diagonalises, certified from above by a random vector.

Let A be a linear map on n numbers, ``G = A^T A``, u a unit vector of its largest eigenvalue mu and
v a random unit vector. For any lambda > 0 and the Chebyshev polynomial T_k,
``r = norm(T_k(2 G / lambda - 1) v) >= T_k(2 mu / lambda - 1) |u . v|``. By the distribution of
u . v, ``|u . v| < t / sqrt(n)`` with a probability below t, so that but for this chance::

    mu <= lambda/2 (1 + cosh(arccosh(sqrt(n) r / t) / k))

An estimate from power iteration is a good lambda, and none makes the bound wrong. The idea of
certifying by a random start is from Kuczynski and Wozniakowski (SIAM J. Matrix Anal. Appl. 13,
1992).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from advdim.bounds.layers import Convolution, TensorShape

CHANCE = 1e-12  # that a norm is too small; a sweep's networks have some thousand
POWER_STEPS = 30
MOST_STEPS, FEWEST_STEPS = 160, 50
# Multiply-adds per norm: what fewer steps are taken for, and beyond which none is taken.
WORTHWHILE, LARGEST = 2e10, 4e11
SEED = 1992


def certified_norm(
    apply: Callable[[Tensor], Tensor],
    adjoint: Callable[[Tensor], Tensor],
    shape: TensorShape,
    steps: int = MOST_STEPS,
) -> float:
    """Return an upper estimate of the norm of a linear map on (1, *shape), in float64.

    It is within .6 % of the norm at 160 steps and within 6 % at 50, and too small with a chance
    of ``CHANCE``.
    """
    random = torch.Generator().manual_seed(SEED)
    vector = torch.randn(1, *shape, dtype=torch.float64, generator=random)
    start = vector / vector.norm()
    size = 0.0
    for _ in range(POWER_STEPS):
        vector = vector / vector.norm().clamp_min(1e-300)
        vector = adjoint(apply(vector))
        size = float(vector.norm())
    if size == 0:
        return 0.0
    scale = 1.01 * size
    before, now = start, 2 / scale * adjoint(apply(start)) - start
    logarithm = 0.0
    for _ in range(steps - 1):
        after = 2 * (2 / scale * adjoint(apply(now)) - now) - before
        before, now = now, after
        large = float(now.norm())
        if large > 1e100:
            before, now, logarithm = before / large, now / large, logarithm + math.log(large)
    logarithm += math.log(max(float(now.norm()), 1e-300))
    logarithm += math.log(math.sqrt(start.numel()) / CHANCE)
    # arccosh(x) <= log(2 x)
    growth = math.cosh(max(logarithm + math.log(2), 0.0) / steps)
    return math.sqrt(scale / 2 * (1 + growth))


def steps_worth(multiply_adds: float) -> int | None:
    """Return how many steps a map of that cost is worth, or None where it is worth none."""
    if 2 * FEWEST_STEPS * multiply_adds > LARGEST:
        return None
    affordable = int(WORTHWHILE / (2 * multiply_adds))
    return max(FEWEST_STEPS, min(MOST_STEPS, affordable))


def padded_norm(layer: Convolution) -> float | None:
    """Return the norm of a convolution with its copying padding, or None where that costs much."""
    steps = steps_worth(layer.multiply_adds)
    if steps is None:
        return None
    return certified_norm(layer.linear_part, layer.adjoint, layer.input_shape, steps)
