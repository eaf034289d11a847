"""What every attack shares: batches, seeds, the box, and what counts as adversarial."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from advdim.attacks.pgd import per_sample
from advdim.data.layout import memory_format
from advdim.networks.answers import NO_PREDICTION, answered
from advdim.networks.perturbations import Box, Norm, norms, project
from advdim.networks.precision import float32_only

# a claim needs a logit gap above float32 noise, so that it holds in any batch, not only in its own
CLAIM_GAP = 1e-5


class BoxedNetwork(nn.Module):
    """The network on inputs clipped to the box; the gradient passes the clipping unchanged."""

    def __init__(self, network: nn.Module, box: Box) -> None:
        super().__init__()
        self.network = network
        self.box = box

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (N, C, H, W), in or out of the box, to the logits (N, K) of the clipped."""
        outside = (torch.clamp(inputs, self.box[0], self.box[1]) - inputs).detach()
        return self.network(inputs + outside)


@dataclass(frozen=True)
class Batch:
    """Samples under attack together.

    ``inputs`` (N, C, H, W) are normalised, ``away_from`` (N,) are the classes to move away from,
    and ``first`` is the index of the first sample in the whole set. The network clips to the
    ``box``. ``rows`` (N,) says which of the batch's samples these are, where some were selected.
    """

    network: nn.Module
    inputs: Tensor
    away_from: Tensor
    box: Box | None
    seed: int
    first: int
    rows: Tensor | None = None

    def generators(self) -> list[torch.Generator]:
        """Return one fresh generator per sample: the same for a sample in whichever batch."""
        rows = range(len(self.inputs)) if self.rows is None else self.rows.tolist()
        # a large odd factor keeps the streams of neighbouring seeds apart
        seeds = [(self.seed * 1_000_003 + self.first + k) % 2**63 for k in rows]
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    def margin(self, perturbed: Tensor) -> Tensor:
        """Return the largest other logit minus that of ``away_from``, less the claim gap, (N,).

        It is infinite where a logit is not finite: there is no prediction any more.
        """
        with torch.no_grad():
            logits = self.network(perturbed)
        rows, classes = (torch.arange(n, device=logits.device) for n in logits.shape)
        left = logits[rows, self.away_from]
        others = logits.masked_fill(classes == self.away_from[:, None], -torch.inf)
        margin = others.amax(dim=1) - left - CLAIM_GAP * logits.abs().amax(dim=1)
        return margin.masked_fill(~answered(logits), torch.inf)

    def is_adversarial(self, perturbed: Tensor) -> Tensor:
        """Return whether the prediction differs from ``away_from`` beyond float32 noise, (N,)."""
        return self.margin(perturbed) > 0

    @property
    def has_prediction(self) -> Tensor:
        """Tell which samples have a class to move away from, (N,)."""
        return self.away_from != NO_PREDICTION

    def clip(self, perturbed: Tensor) -> Tensor:
        """Clip to the box, if there is one."""
        return perturbed if self.box is None else torch.clamp(perturbed, *self.box)

    def select(self, rows: Tensor) -> Batch:
        """Return the batch of the given rows (M,)."""
        of_batch = rows if self.rows is None else self.rows[rows]
        inputs, away_from = self.inputs[rows], self.away_from[rows]
        return replace(self, inputs=inputs, away_from=away_from, rows=of_batch)


@dataclass(frozen=True)
class Found:
    """What an attack found on one batch.

    ``at_thresholds`` holds the perturbed inputs for each threshold, ``smallest`` the smallest
    adversarial found, or the clean input where none was found. ``found_by`` names the member of an
    ensemble that broke each sample at the first threshold, "" where none did.
    """

    at_thresholds: list[Tensor]
    smallest: Tensor
    found_by: list[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Attack(ABC):
    """An evaluation attack: its mathematics in a subclass, everything else here.

    Attributes:
        name: of its entry in the catalogue, and value of the table's ``attack`` column.
        norm: norm of the ball, or the norm that is minimised.
        reference: the paper that proposed the attack.
        block: number of samples that share random numbers, where a library draws them for a batch
            together; it replaces the batch size, so that results never depend on the latter.
    """

    # Whether it raises the loss of images that are wrong already; otherwise it stops at them.
    ascends: ClassVar[bool] = True
    name: str = ""
    norm: Norm
    reference: str
    block: int | None = None
    # The member of an ensemble that sees answers only, no gradients.
    black_box: ClassVar[str | None] = None

    def configured(self, **options: float) -> Self:
        """Return the same attack with another effort: ``steps``, ``relative_step`` and the like."""
        return replace(self, **options)  # type: ignore[arg-type]

    def effort(self, classes: int) -> str:
        """Say how the effort differs from the reference's, on so many classes; "" where not."""
        return ""

    def batches(
        self,
        network: nn.Module,
        inputs: Tensor,
        away_from: Tensor,
        seed: int,
        batch_size: int,
        box: Box | None,
    ) -> Iterator[Batch]:
        """Split the samples into batches; raise ValueError for a network in training mode."""
        if network.training:
            raise ValueError(f"{self.name}: the network is in training mode")
        attacked = network if box is None else BoxedNetwork(network, box).eval()
        float32_only()
        size = self.block or batch_size
        inputs = inputs.contiguous(memory_format=memory_format(inputs.device))
        for first in range(0, len(inputs), size):
            part = slice(first, first + size)
            yield Batch(attacked, inputs[part], away_from[part], box, seed, first)

    def at_threshold(self, batch: Batch, threshold: float | Tensor) -> Tensor:
        """Return perturbed inputs in the box, off the ball by no more than the attack itself is."""
        perturbed = finite(batch, batch.clip(self.perturb(batch, threshold)))
        return settle(batch.inputs, perturbed, per_sample(threshold, batch.inputs), self.norm)

    @abstractmethod
    def perturb(self, batch: Batch, threshold: float | Tensor) -> Tensor:
        """Return perturbed inputs within threshold, one number or one per sample (N,)."""

    @abstractmethod
    def find(self, batch: Batch, thresholds: Sequence[float], ceiling: float) -> Found:
        """Attack at each threshold, and search the smallest adversarial up to the ceiling."""


class MinimalAttack(Attack):
    """An attack that itself searches the smallest adversarial perturbation."""

    ascends = False

    @abstractmethod
    def minimise(self, batch: Batch) -> Tensor:
        """Return the smallest adversarials found, or anything not adversarial where none."""

    def perturb(self, batch: Batch, threshold: float | Tensor) -> Tensor:
        """Return the smallest adversarial, clipped to the ball of radius threshold."""
        return self._into_ball(batch, self._smallest(batch), threshold)

    def find(self, batch: Batch, thresholds: Sequence[float], ceiling: float) -> Found:
        """Search once, and clip what was found to the ball of each threshold."""
        smallest = self._smallest(batch)
        at = [
            settle(batch.inputs, self._into_ball(batch, smallest, t), t, self.norm)
            for t in thresholds
        ]
        for perturbed in at:
            # what the clipping leaves adversarial is smaller still
            smallest = smaller_of(batch, perturbed, smallest, self.norm)
        too_far = norms(smallest - batch.inputs, self.norm) > ceiling
        return Found(at, torch.where(too_far.view(-1, 1, 1, 1), batch.inputs, smallest))

    def _smallest(self, batch: Batch) -> Tensor:
        perturbed = finite(batch, batch.clip(self.minimise(batch)))
        # what lies on the boundary itself is pushed over it by at most a thousandth
        for push in (1e-5, 1e-4, 1e-3):
            pushed = batch.clip(batch.inputs + (1 + push) * (perturbed - batch.inputs))
            claimed = batch.is_adversarial(perturbed)
            perturbed = torch.where(claimed.view(-1, 1, 1, 1), perturbed, pushed)
        claimed = batch.is_adversarial(perturbed) & ~batch.is_adversarial(batch.inputs)
        return torch.where(claimed.view(-1, 1, 1, 1), perturbed, batch.inputs)

    def _into_ball(self, batch: Batch, perturbed: Tensor, threshold: float | Tensor) -> Tensor:
        radius = per_sample(threshold, batch.inputs)
        perturbation = perturbed - batch.inputs
        inside = norms(perturbation, self.norm).view(-1, 1, 1, 1) <= radius
        projected = batch.inputs + project(perturbation, radius, self.norm)
        return torch.where(inside, perturbed, projected)


def finite(batch: Batch, perturbed: Tensor) -> Tensor:
    """Return the clean inputs where an attack has lost itself in NaN."""
    finite = torch.isfinite(perturbed).flatten(1).all(1).view(-1, 1, 1, 1)
    return torch.where(finite, perturbed, batch.inputs)


def find_adversarials(
    attack: Attack, batch: Batch, radii: Sequence[float], ceiling: float
) -> Found:
    """Attack the samples that have a class to move away from; the others stay as they are."""
    rows = batch.has_prediction.nonzero().flatten()
    if len(rows) == len(batch.inputs):
        return attack.find(batch, radii, ceiling)
    if not len(rows):
        return Found([batch.inputs] * len(radii), batch.inputs)
    found = attack.find(batch.select(rows), radii, ceiling)
    found_by = dict(zip(rows.tolist(), found.found_by or [], strict=False))
    return Found(
        [replaced(batch.inputs, rows, perturbed) for perturbed in found.at_thresholds],
        replaced(batch.inputs, rows, found.smallest),
        [found_by.get(row, "") for row in range(len(batch.inputs))],
    )


def replaced(inputs: Tensor, rows: Tensor, values: Tensor) -> Tensor:
    """Return inputs (N, C, H, W) with those of some rows (M,) replaced."""
    return inputs.index_copy(0, rows, values)


def settle(inputs: Tensor, perturbed: Tensor, radius: float | Tensor, norm: Norm) -> Tensor:
    """Undo the rounding of ``inputs + perturbation`` that leaves the ball, and nothing beyond.

    Float32 inputs of size 3 are 2.4e-7 apart, which is much against a threshold of 1e-4. So
    coordinates outside an l-inf ball, and all coordinates of a sample outside an l2 ball, move one
    float towards the clean input.
    """
    radius = per_sample(radius, inputs) if isinstance(radius, float) else radius
    size = (perturbed - inputs).abs()
    if norm == "l2":
        size = norms(size, "l2").view(-1, 1, 1, 1)
    return torch.where(size > radius, torch.nextafter(perturbed, inputs), perturbed)


def smaller_of(batch: Batch, new: Tensor, old: Tensor, norm: Norm) -> Tensor:
    """Keep per sample the smaller adversarial; clean inputs stand for none."""
    new_size = norms(new - batch.inputs, norm)
    old_size = norms(old - batch.inputs, norm)
    claimed = batch.is_adversarial(new) & (new_size > 0)
    better = claimed & ((old_size == 0) | (new_size < old_size))
    return torch.where(better.view(-1, 1, 1, 1), new, old)
