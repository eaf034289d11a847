"""Fast minimum-norm attack (Pintor et al., 2021, Algorithm 1), with steps in units of the radius.

A perturbation descends the logit margin inside a ball whose radius shrinks while the sample is
adversarial and grows while it is not. Two things differ from the paper. Its steps are lengths in
pixels; here they are shares of each sample's own radius, so that the attack is the same in any
units and at any size. And it follows the likeliest other class; here the first way leads to the
class that is nearest if the network is linear (Moosavi-Dezfooli et al., 2016).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from advdim.attacks.base import CLAIM_GAP, Batch, MinimalAttack
from advdim.networks.answers import answered
from advdim.networks.perturbations import DUAL, Norm, norms, project, steepest

# Steps and changes of the radius fall along a cosine from the first to the second.
STEP = (1.0, 0.01)
RADIUS_CHANGE = (0.05, 0.001)
# Classes among which the nearest is chosen in the beginning.
CANDIDATES = 9


@dataclass(frozen=True, kw_only=True)
class FastMinimumNorm(MinimalAttack):
    """The attack of Pintor et al. (2021) from the clean input.

    Attributes:
        steps: forward and backward passes, after up to CANDIDATES of them for the first class.
    """

    steps: int = 100

    def minimise(self, batch: Batch) -> Tensor:
        """Return the smallest adversarials on the way, the clean inputs where there was none."""
        count = len(batch.inputs)
        perturbation = torch.zeros_like(batch.inputs)
        best = torch.zeros_like(batch.inputs)
        best_size = batch.inputs.new_full((count,), math.inf)
        radius = batch.inputs.new_zeros(count)
        towards = nearest_class(batch, self.norm)
        for step in range(self.steps):
            margin, gradient = margin_gradient(batch, batch.inputs + perturbation, towards)
            size = norms(perturbation, self.norm)
            adversarial = margin > 0
            smaller = adversarial & (size < best_size)
            best = torch.where(smaller.view(-1, 1, 1, 1), perturbation, best)
            best_size = torch.where(smaller, size, best_size)
            towards = torch.where(adversarial, -1, towards)
            change = annealed(RADIUS_CHANGE, step / self.steps)
            linear = size + _distance(margin, gradient, self.norm)
            # beyond the straight boundary too, or the perturbation may stop short of it for good
            grown = torch.where(best_size.isinf(), linear, radius) * (1 + change)
            shrunk = torch.minimum(radius * (1 - change), best_size)
            radius = torch.where(adversarial, shrunk, grown)
            step_size = annealed(STEP, step / self.steps)
            ball = radius.view(-1, 1, 1, 1)
            moved = perturbation + step_size * ball * steepest(gradient, self.norm)
            perturbation = project(moved, ball, self.norm)
            perturbation = batch.clip(batch.inputs + perturbation) - batch.inputs
        return batch.inputs + best


def margin_gradient(
    batch: Batch, perturbed: Tensor, towards: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the margin of ``Batch.margin`` (N,) and its gradient (N, C, H, W).

    Where ``towards`` (N,) is a class and not -1, and no class has won yet, both are about this
    class's logit. The claim gap has no gradient.
    """
    with torch.enable_grad():
        variable = perturbed.detach().requires_grad_()
        logits = batch.network(variable)
        rest = logits.detach().scatter(1, batch.away_from.unsqueeze(1), -math.inf)
        largest, other = rest.max(dim=1)
        left = logits.gather(1, batch.away_from.unsqueeze(1)).squeeze(1)
        if towards is not None:
            aims = (towards >= 0) & (largest <= left.detach())
            other = torch.where(aims, towards, other)
        margin = logits.gather(1, other.unsqueeze(1)).squeeze(1) - left
        (gradient,) = torch.autograd.grad(margin.sum(), variable)
    gap = CLAIM_GAP * logits.detach().abs().amax(dim=1)
    claimed = (margin.detach() - gap).masked_fill(~answered(logits), math.inf)
    return claimed, gradient.nan_to_num(0.0, 0.0, 0.0)


def nearest_class(batch: Batch, norm: Norm) -> Tensor:
    """Return the other class whose boundary is nearest if the network is linear (N,).

    That is DeepFool's choice. Each of the likeliest others is one backward pass.
    """
    with torch.no_grad():
        logits = batch.network(batch.inputs)
    rest = logits.scatter(1, batch.away_from.unsqueeze(1), -math.inf)
    likely = rest.topk(min(CANDIDATES, logits.shape[1] - 1), dim=1).indices
    distances = [
        _distance(*margin_gradient(batch, batch.inputs, classes), norm)
        for classes in likely.unbind(dim=1)
    ]
    nearest = torch.stack(distances, dim=1).argmin(dim=1, keepdim=True)
    return likely.gather(1, nearest).squeeze(1)


def annealed(ends: tuple[float, float], share: float) -> float:
    """Return the value on the half cosine from the first end (share 0) to the second (share 1)."""
    first, last = ends
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


def _distance(margin: Tensor, gradient: Tensor, norm: Norm) -> Tensor:
    """Return how far the boundary is if the margin is linear, (N,)."""
    slope = torch.linalg.vector_norm(gradient.flatten(1), ord=DUAL[norm], dim=1)
    return margin.abs() / slope.clamp_min(1e-30)


REFERENCE = "Pintor et al. (2021), arXiv:2102.12827"
fmn_l2 = FastMinimumNorm(norm="l2", reference=REFERENCE)
fmn_linf = FastMinimumNorm(norm="linf", reference=REFERENCE)
