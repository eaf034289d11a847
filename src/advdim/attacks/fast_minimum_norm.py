"""Fast minimum-norm attack (Pintor et al., 2021, Algorithm 1), with steps in units of the radius.

A perturbation descends the logit margin inside a ball whose radius shrinks while the sample is
adversarial and grows while it is not. The paper's steps are lengths in pixels; here they are shares
of each sample's own radius, so that the attack is the same in any units and at any size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from advdim.attacks.base import CLAIM_GAP, Attack, Batch, MinimalAttack, norms
from advdim.attacks.pgd import Norm, project, steepest

# Steps and changes of the radius fall along a cosine from the first to the second.
STEP = (1.0, 0.01)
RADIUS_CHANGE = (0.05, 0.001)
DUAL_ORDER: dict[Norm, float] = {"linf": 1.0, "l2": 2.0}


@dataclass(frozen=True, kw_only=True)
class FastMinimumNorm(MinimalAttack):
    """The attack of Pintor et al. (2021) from the clean input.

    Attributes:
        steps: forward and backward passes.
    """

    steps: int = 100

    def minimise(self, batch: Batch) -> Tensor:
        """Return the smallest adversarials on the way, the clean inputs where there was none."""
        count = len(batch.inputs)
        perturbation = torch.zeros_like(batch.inputs)
        best = torch.zeros_like(batch.inputs)
        best_size = batch.inputs.new_full((count,), math.inf)
        radius = batch.inputs.new_zeros(count)
        for step in range(self.steps):
            margin, gradient = margin_gradient(batch, batch.inputs + perturbation)
            size = norms(perturbation, self.norm)
            adversarial = margin > 0
            smaller = adversarial & (size < best_size)
            best = torch.where(smaller.view(-1, 1, 1, 1), perturbation, best)
            best_size = torch.where(smaller, size, best_size)
            change = annealed(RADIUS_CHANGE, step / self.steps)
            linear = size + _distance(margin, gradient, self.norm)
            grown = torch.where(best_size.isinf(), linear, radius * (1 + change))
            shrunk = torch.minimum(radius * (1 - change), best_size)
            radius = torch.where(adversarial, shrunk, grown)
            step_size = annealed(STEP, step / self.steps)
            ball = radius.view(-1, 1, 1, 1)
            moved = perturbation + step_size * ball * steepest(gradient, self.norm)
            perturbation = project(moved, ball, self.norm)
            perturbation = batch.clip(batch.inputs + perturbation) - batch.inputs
        return batch.inputs + best


def margin_gradient(batch: Batch, perturbed: Tensor) -> tuple[Tensor, Tensor]:
    """Return the margin of ``Batch.margin`` (N,) and its gradient (N, C, H, W), the gap apart."""
    with torch.enable_grad():
        variable = perturbed.detach().requires_grad_()
        logits = batch.network(variable)
        target = logits.gather(1, batch.targets.unsqueeze(1)).squeeze(1)
        others = logits.scatter(1, batch.targets.unsqueeze(1), -math.inf).amax(dim=1)
        margin = others - target
        (gradient,) = torch.autograd.grad(margin.sum(), variable)
    gap = CLAIM_GAP * logits.detach().abs().amax(dim=1)
    return margin.detach() - gap, gradient


def annealed(ends: tuple[float, float], share: float) -> float:
    """Return the value on the half cosine from the first end (share 0) to the second (share 1)."""
    first, last = ends
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


def _distance(margin: Tensor, gradient: Tensor, norm: Norm) -> Tensor:
    """Return how far the boundary is if the margin is linear, (N,)."""
    slope = torch.linalg.vector_norm(gradient.flatten(1), ord=DUAL_ORDER[norm], dim=1)
    return margin.abs() / slope.clamp_min(1e-30)


ATTACKS: tuple[Attack, ...] = tuple(
    FastMinimumNorm(name=name, norm=norm, reference="Pintor et al. (2021), arXiv:2102.12827")
    for name, norm in (("fmn_l2", "l2"), ("fmn_linf", "linf"))
)
