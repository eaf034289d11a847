"""Attacks of the user's: a function of a batch and a threshold, or a whole class."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from advdim import user_code
from advdim.attacks.at_threshold import FunctionAttack
from advdim.attacks.base import Attack, Batch
from advdim.networks.perturbations import Norm


def user_attack(name: str, norm: Norm, module: str, arguments: Mapping[str, Any]) -> Attack:
    """Return the attack that ``module``, as ``package.module:name``, defines.

    Raises UserCodeError where it cannot be imported. A function that returns NaN fails: it would
    count as an attack that finds nothing.
    """
    found = user_code.imported(module)
    if isinstance(found, type) and issubclass(found, Attack):
        return found(name=name, norm=norm, reference=module, **arguments)
    function = functools.partial(found, **arguments)

    def finite(batch: Batch, threshold: float | Tensor) -> Tensor:
        perturbed: Tensor = function(batch, threshold)
        lost = ~torch.isfinite(perturbed).flatten(1).all(1)
        if lost.any():
            raise ValueError(
                f"it returns NaN or infinity for {int(lost.sum())} of {len(lost)} images"
            )
        return perturbed

    return FunctionAttack(name=name, norm=norm, reference=module, function=finite)
