"""The sound bounds, by name, and the largest of them per sample.

Each takes an ``Analysis`` of N samples and returns radii (N,) in the units of the network's input
(pixels where the layers were read with a normalisation): no perturbation of smaller l2 norm changes
the prediction. It returns None where it does not apply to the network. ``docs/bounds.md`` has the
proofs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from advdim.bounds.constants_and_margins import Analysis, divide
from advdim.bounds.layers import Linear, Relu
from advdim.bounds.local import local_bound
from advdim.catalogue.bounds import BOUNDS
from advdim.catalogue.entries import Functions

SoundBound = Callable[[Analysis], Tensor | None]
SOUND_BOUNDS: Functions[SoundBound] = Functions(BOUNDS)


def patches(analysis: Analysis) -> Tensor:
    """Divide margins by patch-wise layer norms (docs/bounds.md): cheap and loose."""
    return _global(analysis, math.prod(analysis.constants.loose[:-1]))


def operator_norms(analysis: Analysis) -> Tensor:
    """Divide margins by the product of certified operator norms."""
    return _global(analysis, analysis.constants.plain_reach[-2])


def joint_pooling(analysis: Analysis) -> Tensor:
    """As ``operator_norms``, with the joint constants of convolutions and their max pools."""
    return _global(analysis, analysis.constants.reach[-2])


def half_network(analysis: Analysis) -> Tensor | None:
    """Split the last ReLU into a linear half and an absolute half; needs Linear, ReLU, Linear.

    ``relu = (identity + abs) / 2``, so along a the change is at most
    ``(norm(V^T a) + norm(a) sigma(V)) / 2`` per unit of change before V.
    """
    layers, constants = analysis.layers, analysis.constants
    if len(layers) < 3 or not isinstance(layers[-2], Relu) or not isinstance(layers[-3], Linear):
        return None
    straight = layers[-3].adjoint(analysis.directions.flatten(0, 1)).norm(dim=1)
    straight = straight.view(analysis.margins.T.shape)
    bent = analysis.directions.norm(dim=2) * constants.exact[-3]
    norms = (straight + bent) / 2 * constants.reach[-4] * (1 + 1e-9)
    return divide(analysis.margins.T, norms).amin(0)


def local(analysis: Analysis) -> Tensor:
    """Linearise at the sample and charge each kink (``local.py``)."""
    return local_bound(analysis, joint_pooling(analysis))


def _global(analysis: Analysis, constant: float) -> Tensor:
    norms = analysis.directions.norm(dim=2) * constant * (1 + 1e-9)
    return divide(analysis.margins.T, norms).amin(0)


def largest(bounds: Mapping[str, Tensor]) -> tuple[Tensor, list[str]]:
    """Return the largest bound per sample, shape (N,), and its name; first of equals wins."""
    names = list(bounds)
    values, winners = torch.stack([bounds[name] for name in names]).max(0)
    return values, [names[index] for index in winners.tolist()]
