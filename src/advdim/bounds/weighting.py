"""Norms of the last hidden layer that count only the units which can cost a margin.

For the margin direction a between two classes, only units with a_j < 0 lose margin by bending
upwards. With weights w_j on those, ``sum w_j d_j^2 <= norm(diag(sqrt w) V)^2 norm(y)^2`` for
d = V y, which is smaller than counting all units alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from advdim.bounds.layers import Layer, Linear, Relu
from advdim.bounds.operator_norms import ROUNDING

MOST_CLASSES = 20  # pairs of classes grow as the square
LARGEST_HIDDEN = 2048


def unit_weights(directions: Tensor) -> Tensor:
    """Return the weights of each unit, ``sqrt |a_j|`` where a_j < 0 and else 0, of any shape."""
    return torch.where(directions < 0, directions.abs().sqrt(), 0.0)


def pair_norms(layers: Sequence[Layer]) -> Tensor | None:
    """Return ``norm(diag(sqrt w) V)`` per (other class, prediction), shape (C, C).

    None unless the network ends in Linear, ReLU, Linear of moderate size.
    """
    if len(layers) < 3:
        return None
    hidden, relu, last = layers[-3:]
    if not (isinstance(hidden, Linear) and isinstance(relu, Relu) and isinstance(last, Linear)):
        return None
    classes = len(last.weight)
    if classes > MOST_CLASSES or len(hidden.weight) > LARGEST_HIDDEN:
        return None
    gram = hidden.weight @ hidden.weight.T
    norms = gram.new_zeros(classes, classes)
    for other in range(classes):
        for own in range(classes):
            roots = unit_weights(last.weight[own] - last.weight[other]).sqrt()
            used = roots > 0
            if bool(used.any()):
                weighted = roots[used, None] * gram[used][:, used] * roots[used]
                norms[other, own] = torch.linalg.eigvalsh(weighted)[-1].clamp_min(0).sqrt()
    return norms * ROUNDING
