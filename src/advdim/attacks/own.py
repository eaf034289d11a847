"""Attacks of one's own: a function of a batch and a threshold, or a whole class."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from advdim import own
from advdim.attacks.base import Attack, Batch
from advdim.attacks.fixed import FixedAttack
from advdim.attacks.pgd import Norm


@dataclass(frozen=True, kw_only=True)
class FunctionAttack(FixedAttack):
    """An attack at a given threshold that is a function.

    Attributes:
        function: takes a batch and the threshold, one number or one per sample (N,), in this
            attack's norm and normalised units; returns perturbed inputs (N, C, H, W) within it.
    """

    function: Callable[[Batch, float | Tensor], Tensor]

    def perturb(self, batch: Batch, threshold: float | Tensor) -> Tensor:
        """Call the function."""
        return self.function(batch, threshold).detach()


def own_attack(name: str, norm: Norm, module: str, arguments: Mapping[str, Any]) -> Attack:
    """Return the attack that ``module``, as ``package.module:name``, defines.

    Raises OwnCodeError where it cannot be imported.
    """
    found = own.imported(module)
    if isinstance(found, type) and issubclass(found, Attack):
        return found(name=name, norm=norm, reference=module, **arguments)
    function = functools.partial(found, **arguments)
    return FunctionAttack(name=name, norm=norm, reference=module, function=function)
