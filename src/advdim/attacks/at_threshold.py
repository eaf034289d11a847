"""Attacks at a given threshold, and how the smallest adversarial is searched with them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from typing import Self

import torch
from torch import Tensor

from advdim.attacks.base import Attack, Batch, Found, smaller_of
from advdim.attacks.pgd import pgd
from advdim.attacks.search import search_direction, search_threshold
from advdim.networks.perturbations import norms


@dataclass(frozen=True, kw_only=True)
class ThresholdAttack(Attack):
    """An attack at a given threshold.

    Attributes:
        rounds: runs spent on the search for the smallest adversarial.
    """

    rounds: int = 10

    def find(self, batch: Batch, thresholds: Sequence[float], ceiling: float) -> Found:
        """Attack at each threshold, then search the smallest adversarial from what these found."""
        at = [
            self.at_threshold(batch, threshold) if threshold > 0 else batch.inputs.clone()
            for threshold in thresholds
        ]
        smallest = batch.inputs.clone()
        failed = batch.inputs.new_zeros(len(batch.inputs))
        for threshold, perturbed in sorted(zip(thresholds, at, strict=True), key=itemgetter(0)):
            success = batch.is_adversarial(perturbed)
            none_yet = norms(smallest - batch.inputs, self.norm) == 0
            first = (success & none_yet).view(-1, 1, 1, 1)
            smallest = torch.where(first, perturbed, smallest)
            failed = torch.where(~success & none_yet, threshold, failed)
        smallest = self.search(batch, smallest, failed, ceiling)
        wrong_before = batch.is_adversarial(batch.inputs).view(-1, 1, 1, 1)
        return Found(at, torch.where(wrong_before, batch.inputs, smallest))

    def search(self, batch: Batch, smallest: Tensor, failed: Tensor, ceiling: float) -> Tensor:
        """Bisect the threshold; ``smallest`` and ``failed`` are what is known already."""
        return search_threshold(
            batch, self.at_threshold, self.norm, smallest, failed, ceiling, rounds=self.rounds
        )


@dataclass(frozen=True, kw_only=True)
class OneStepAttack(ThresholdAttack):
    """An attack along one direction per sample, whatever the threshold."""

    @abstractmethod
    def direction(self, batch: Batch) -> Tensor:
        """Return the perturbation (N, C, H, W) for threshold 1."""

    def perturb(self, batch: Batch, threshold: float | Tensor) -> Tensor:
        """Move along the direction as far as the threshold allows."""
        scale = torch.as_tensor(threshold, dtype=batch.inputs.dtype, device=batch.inputs.device)
        return batch.inputs + scale.view(-1, 1, 1, 1) * self.direction(batch)

    def search(self, batch: Batch, smallest: Tensor, failed: Tensor, ceiling: float) -> Tensor:
        """Search the first crossing along the direction."""
        direction = self.direction(batch)
        scale = search_direction(batch, direction, ceiling, rounds=self.rounds, skip=True)
        scale = torch.where(torch.isfinite(scale), scale, 0.0).view(-1, 1, 1, 1)
        # a ten-thousandth beyond, so that float32 noise in another batch does not undo the claim
        crossing = batch.clip(batch.inputs + 1.0001 * scale * direction)
        return smaller_of(batch, crossing, smallest, self.norm)


@dataclass(frozen=True, kw_only=True)
class FunctionAttack(ThresholdAttack):
    """An attack at a given threshold that is a function.

    Attributes:
        function: takes a batch and the threshold, one number or one per sample (N,), in this
            attack's norm and normalised units; returns perturbed inputs (N, C, H, W) within it.
    """

    function: Callable[[Batch, float | Tensor], Tensor]

    def configured(self, **options: object) -> Self:
        """Return the same attack with keyword arguments for its function."""
        return replace(self, function=partial(self.function, **options))

    def perturb(self, batch: Batch, threshold: float | Tensor) -> Tensor:
        """Call the function."""
        return self.function(batch, threshold).detach()


@dataclass(frozen=True, kw_only=True)
class ProjectedGradientDescent(ThresholdAttack):
    """The project's own PGD.

    Attributes:
        steps: gradient steps per restart.
        step_size: length of a step as a share of the threshold.
        restarts: random starts; 0 starts once, at the clean input.
    """

    steps: int = 20
    step_size: float = 0.2
    restarts: int = 1

    def configured(self, **options: float) -> Self:
        """Return the same attack with other ``steps``, ``relative_step`` or ``restarts``."""
        if "relative_step" in options:
            options["step_size"] = options.pop("relative_step")
        return super().configured(**options)

    def perturb(self, batch: Batch, threshold: float | Tensor) -> Tensor:
        """Run PGD with a random start per sample and restart."""
        return pgd(
            batch.network,
            batch.inputs,
            batch.away_from,
            threshold,
            steps=self.steps,
            step_size=self.step_size,
            norm=self.norm,
            random_start=batch.generators() if self.restarts else None,
            restarts=max(self.restarts, 1),
            box=batch.box,
        )


pgd_linf = ProjectedGradientDescent(
    norm="linf",
    reference="Madry et al. (2018), arXiv:1706.06083",
)
pgd_l2 = ProjectedGradientDescent(
    norm="l2",
    reference="Madry et al. (2018), arXiv:1706.06083",
)
