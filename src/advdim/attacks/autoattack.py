"""Adapter to AutoAttack (Croce and Hein, 2020) as implemented by torchattacks (Kim, 2020)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from advdim.attacks.base import Attack, Batch, Found, norms, smaller_of
from advdim.attacks.fixed import FixedAttack
from advdim.attacks.foolbox_suite import library_randomness
from advdim.attacks.minimal import search_direction
from advdim.attacks.pgd import per_sample, project

if TYPE_CHECKING:
    import torchattacks


class UnitRangeNetwork(nn.Module):
    """The network on inputs mapped from [0, 1]: torchattacks adds to and clips in that range.

    The offset may differ per channel; the scale is one number, so that a ball stays a ball.
    """

    def __init__(self, network: nn.Module, offset: Tensor, scale: float) -> None:
        super().__init__()
        self.network = network
        self.offset = offset
        self.scale = scale

    def forward(self, unit: Tensor) -> Tensor:
        """Map inputs in [0, 1], (N, C, H, W), to logits (N, K)."""
        inputs = self.offset + self.scale * unit
        if inputs.device.type == "cpu":
            # convolutions of a CPU are up to twice as fast in this layout
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return self.network(inputs)


@dataclass(frozen=True, kw_only=True)
class AutoAttack(FixedAttack):
    """The standard ensemble: APGD on cross-entropy, targeted APGD, targeted FAB, Square.

    The ensemble stops at a sample's first success, so its loss is not maximised. The smallest
    adversarial is what it found, pulled back towards the clean input.

    Attributes:
        steps: iterations of APGD and FAB, as in the reference (torchattacks' own default is 10).
        queries: queries of Square, as in the reference.
    """

    ascends = False
    steps: int = 100
    queries: int = 5000

    def find(self, batch: Batch, thresholds: Sequence[float], ceiling: float) -> Found:
        """Attack all samples at the first threshold, at others those that are still undecided.

        A sample that resisted a larger ball is not attacked again in a smaller one, nor is one
        whose smallest adversarial so far is inside the ball.
        """
        resisted = torch.zeros(len(batch.inputs), device=batch.inputs.device)
        smallest = batch.inputs.clone()
        # below the first threshold from the largest, so that what resists is left alone early
        others = sorted(set(thresholds[1:]) - {thresholds[0]})
        below = [value for value in others if value < thresholds[0]]
        above = [value for value in others if value > thresholds[0]]
        for threshold in (thresholds[0], *reversed(below), *above):
            size = norms(smallest - batch.inputs, self.norm)
            decided = ((size > 0) & (size <= threshold)) | (resisted >= threshold)
            rows = (~decided & ~batch.is_adversarial(batch.inputs)).nonzero().flatten()
            if threshold > 0 and len(rows):
                part = batch.select(rows)
                perturbed = self.at_threshold(part, threshold)
                success = part.is_adversarial(perturbed)
                resisted[rows[~success]] = threshold
                found = smaller_of(part, perturbed, smallest[rows], self.norm)
                smallest[rows] = self.search(part, found, resisted[rows], ceiling)
        size = norms(smallest - batch.inputs, self.norm)
        at = [
            torch.where((size <= threshold).view(-1, 1, 1, 1), smallest, batch.inputs)
            for threshold in thresholds
        ]
        return Found(at, smallest)

    def perturb(self, batch: Batch, epsilon: float | Tensor) -> Tensor:
        """Run the ensemble with one threshold for all samples.

        Raises:
            ValueError: thresholds differ, or there are fewer than four classes.
        """
        if isinstance(epsilon, Tensor):
            raise ValueError(f"{self.name} takes one threshold for all samples")
        offset, scale = unit_range(batch, epsilon)
        network = UnitRangeNetwork(batch.network, offset, scale).eval()
        # torchattacks views its tensors, which needs the default layout
        images = ((batch.inputs - offset) / scale).contiguous()
        with library_randomness(batch), contextlib.redirect_stdout(io.StringIO()):
            ensemble = self._ensemble(network, epsilon / scale, batch)
            perturbed = ensemble(images, batch.targets)
        # rounding in [0, 1] is coarser than in the inputs' units, so project once more
        perturbation = scale * (perturbed.detach() - images)
        return batch.inputs + project(perturbation, per_sample(epsilon, images), self.norm)

    def search(self, batch: Batch, smallest: Tensor, failed: Tensor, ceiling: float) -> Tensor:
        """Pull back what the ensemble found; it is not run again."""
        directions = smallest - batch.inputs
        scale = search_direction(batch, directions, 1.0, grid=8, ratio=1.1, rounds=self.rounds)
        scale = torch.where(torch.isfinite(scale), scale, 1.0).view(-1, 1, 1, 1)
        return smaller_of(batch, batch.inputs + scale * directions, smallest, self.norm)

    def _ensemble(
        self, network: nn.Module, epsilon: float, batch: Batch
    ) -> torchattacks.AutoAttack:
        # imported where it is needed: half of the start-up time of a job with another attack
        import torchattacks

        with torch.no_grad():
            classes = network(torch.zeros_like(batch.inputs[:1])).shape[1]
        if classes < 4:
            raise ValueError(f"{self.name}: its targeted loss needs four classes, got {classes}")
        ensemble = torchattacks.AutoAttack(
            network,
            norm={"linf": "Linf", "l2": "L2"}[self.norm],
            eps=epsilon,
            n_classes=classes,
            seed=(batch.seed + batch.first) % 2**63,
        )
        ensemble.set_device(batch.inputs.device)
        for member in ensemble._autoattack.attacks:
            if hasattr(member, "steps"):
                member.steps = self.steps
            if hasattr(member, "n_queries"):
                member.n_queries = self.queries
        return ensemble


def unit_range(batch: Batch, epsilon: float) -> tuple[Tensor, float]:
    """Return offset and scale of the map from [0, 1] to the inputs.

    With a box, 0 is its lower end per channel and 1 its upper end for the widest channel (the
    network clips the others). Without one, the range holds all inputs and any perturbation by
    twice the threshold, so that torchattacks' clipping never acts within the ball.
    """
    if batch.box is not None:
        low, high = batch.box
        return low, float((high - low).max())
    low = batch.inputs.amin() - 2 * epsilon
    return low, float(batch.inputs.amax() + 2 * epsilon - low)


ATTACKS: tuple[Attack, ...] = (
    AutoAttack(
        name="autoattack_linf",
        norm="linf",
        reference="Croce and Hein (2020), arXiv:2003.01690",
        block=32,
    ),
    AutoAttack(
        name="autoattack_l2",
        norm="l2",
        reference="Croce and Hein (2020), arXiv:2003.01690",
        block=32,
    ),
)
