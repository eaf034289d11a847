"""One constant for linear maps with rectifiers between them, below the product of their norms.

A rectifier changes by D d with D between 0 and 1, and ``D = (1 + S) / 2`` with S between -1 and 1.
So for linear maps A and B with a rectifier between, ``norm(B D A) <= (norm(B A) + norm(B) norm(A))
/ 2``: the singular vectors of the two seldom meet, and the norm of the composition is far below the
product. Over more maps the identity's half is expanded further: with the map ``C_i ... C_k`` behind
the rectifier of index k - 1,

    V(i, k) = (V(i, k - 1) + norm(C_i ... C_k) reach(k - 1)) / 2

where reach(k - 1) bounds the change before that rectifier.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from advdim.bounds.certified import certified_norm, steps_worth
from advdim.bounds.layers import Convolution, Layer, Linear, Relu
from advdim.bounds.operator_norms import ROUNDING

MOST_MAPS = 4  # beyond which nothing was gained


def rectified_norm(
    layers: Sequence[Layer], end: int, reach: Sequence[float], own: float
) -> float | None:
    """Bound the change of layer ``end``'s input by the linear maps before it, or return None.

    ``reach`` bounds the changes of the inputs up to the last map's; ``own`` is that map's norm.
    None where no rectifier joins two maps, or where the norms are not worth their cost.
    """
    maps = _maps(layers, end)
    if len(maps) < 2:
        return None
    total = 0.0
    for number, (start, stop) in enumerate(maps):
        norm = own if stop == end else _composed(layers, start, end)
        if norm is None:
            return None
        if number:
            # Of the rectifier before the map, one half is the identity, the other any signs.
            bent = norm * reach[start - 1]
            total = min(bent, (total + bent) / 2)
        else:
            total = norm * reach[start]
    return total


def _composed(layers: Sequence[Layer], start: int, end: int) -> float | None:
    """Return the norm of the linear layers from ``start`` to ``end``, rectifiers left out."""
    chain = [layer for layer in layers[start:end] if layer.linear]
    cost = sum(layer.multiply_adds for layer in chain)
    steps = steps_worth(cost)
    if steps is None:
        return None

    def apply(values: Tensor) -> Tensor:
        for layer in chain:
            values = layer.linear_part(values)
        return values

    def adjoint(gradients: Tensor) -> Tensor:
        for layer in reversed(chain):
            gradients = layer.adjoint(gradients)
        return gradients

    return certified_norm(apply, adjoint, layers[start].input_shape, steps) * ROUNDING


def _maps(layers: Sequence[Layer], end: int) -> list[tuple[int, int]]:
    """Return the ranges of linear layers before ``end`` with rectifiers between, in order."""
    found: list[tuple[int, int]] = []
    stop = end
    while len(found) < MOST_MAPS:
        start = stop
        while start > 0 and layers[start - 1].linear:
            start -= 1
        if not any(isinstance(layer, (Convolution, Linear)) for layer in layers[start:stop]):
            break
        found.append((start, stop))
        if start == 0 or not isinstance(layers[start - 1], Relu):
            break
        stop = start - 1
    return found[::-1]
