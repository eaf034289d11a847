"""Adapter to AutoAttack (Croce and Hein, 2020) as implemented by torchattacks (Kim, 2020)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from advdim.attacks.at_threshold import ThresholdAttack
from advdim.attacks.base import Batch, Found, finite, settle, smaller_of
from advdim.attacks.foolbox_suite import library_randomness
from advdim.attacks.pgd import per_sample
from advdim.attacks.search import search_direction
from advdim.data.layout import memory_format
from advdim.networks.perturbations import norms, project

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
        return self.network(inputs.contiguous(memory_format=memory_format(inputs.device)))


# In the order in which they run; the last sees answers only, no gradients.
MEMBERS = ("apgd_ce", "apgd_t", "fab_t", "square")
STEPS, QUERIES = 100, 5000
# Classes that a targeted member moves to: the most likely others.
TARGETS = 9
# The targeted loss of APGD-T compares the third and fourth largest logit.
FEWEST_CLASSES = {"apgd_t": 4}


@dataclass(frozen=True, kw_only=True)
class AutoAttack(ThresholdAttack):
    """The standard ensemble: APGD on cross-entropy, targeted APGD, targeted FAB, Square.

    Each member attacks what those before it have left, judged as everywhere in this software, so
    the ensemble breaks whatever one of them breaks. It stops at a sample's first success, so its
    loss is not maximised. The smallest adversarial is what it found, pulled back towards the clean
    input.

    Attributes:
        steps: iterations of APGD and FAB, as in the reference (torchattacks' own default is 10).
        queries: queries of Square, as in the reference.
        members: those that run, of MEMBERS.
    """

    ascends = False
    black_box = "square"
    steps: int = STEPS
    queries: int = QUERIES
    members: tuple[str, ...] = MEMBERS

    def effort(self, classes: int) -> str:
        """Say what differs from the reference: steps, queries, members left out."""
        differences = [
            *([f"{self.steps} steps"] if self.steps != STEPS else []),
            *([f"{self.queries} queries"] if self.queries != QUERIES else []),
            *(f"no {name.upper().replace('_', '-')}" for name in self._left_out(classes)),
        ]
        return ", ".join(differences)

    def find(self, batch: Batch, thresholds: Sequence[float], ceiling: float) -> Found:
        """Attack all samples at the first threshold, at others those that are still undecided.

        A sample that resisted a larger ball is not attacked again in a smaller one, nor is one
        whose smallest adversarial so far is inside the ball.
        """
        resisted = torch.zeros(len(batch.inputs), device=batch.inputs.device)
        smallest = batch.inputs.clone()
        found_by = [""] * len(batch.inputs)
        # below the first threshold from the largest, so that what resists is left alone early
        others = sorted(set(thresholds[1:]) - {*thresholds[:1]})
        below = [value for value in others if value < thresholds[0]]
        above = [value for value in others if value > thresholds[0]]
        for threshold in (*thresholds[:1], *reversed(below), *above):
            size = norms(smallest - batch.inputs, self.norm)
            decided = ((size > 0) & (size <= threshold)) | (resisted >= threshold)
            rows = (~decided & ~batch.is_adversarial(batch.inputs)).nonzero().flatten()
            if threshold > 0 and len(rows):
                part = batch.select(rows)
                perturbed, members = self.attack(part, threshold)
                success = part.is_adversarial(perturbed)
                resisted[rows[~success]] = threshold
                found = smaller_of(part, perturbed, smallest[rows], self.norm)
                smallest[rows] = self.search(part, found, resisted[rows], ceiling)
                if threshold == thresholds[0]:
                    for row, member in zip(rows.tolist(), members, strict=True):
                        found_by[row] = member
        size = norms(smallest - batch.inputs, self.norm)
        at = [
            torch.where((size <= threshold).view(-1, 1, 1, 1), smallest, batch.inputs)
            for threshold in thresholds
        ]
        return Found(at, smallest, found_by)

    def perturb(self, batch: Batch, threshold: float | Tensor) -> Tensor:
        """Run the ensemble with one threshold for all samples.

        Raises ValueError where thresholds differ.
        """
        if isinstance(threshold, Tensor):
            raise ValueError(f"{self.name} takes one threshold for all samples")
        return self.attack(batch, threshold)[0]

    def attack(self, batch: Batch, threshold: float) -> tuple[Tensor, list[str]]:
        """Return the perturbed inputs, and which member broke each sample; "" where none did."""
        perturbed, found_by = batch.inputs.clone(), [""] * len(batch.inputs)
        rows = torch.arange(len(batch.inputs), device=batch.inputs.device)
        with torch.no_grad():
            classes = batch.network(batch.inputs[:1]).shape[1]
        left_out = self._left_out(classes)
        for name in self.members:
            if not len(rows) or name in left_out:
                continue
            part = batch.select(rows)
            moved = self._run(name, part, threshold, classes)
            broken = part.is_adversarial(moved)
            perturbed[rows[broken]] = moved[broken]
            for row in rows[broken].tolist():
                found_by[row] = name
            rows = rows[~broken]
        return perturbed, found_by

    def search(self, batch: Batch, smallest: Tensor, failed: Tensor, ceiling: float) -> Tensor:
        """Pull back what the ensemble found; it is not run again."""
        directions = smallest - batch.inputs
        scale = search_direction(batch, directions, 1.0, grid=8, ratio=1.1, rounds=self.rounds)
        scale = torch.where(torch.isfinite(scale), scale, 1.0).view(-1, 1, 1, 1)
        return smaller_of(batch, batch.inputs + scale * directions, smallest, self.norm)

    def _left_out(self, classes: int) -> list[str]:
        """Return the members of the reference that do not run on so many classes."""
        return [
            name
            for name in MEMBERS
            if name not in self.members or classes < FEWEST_CLASSES.get(name, 2)
        ]

    def _run(self, name: str, batch: Batch, threshold: float, classes: int) -> Tensor:
        offset, scale = unit_range(batch, threshold)
        network = UnitRangeNetwork(batch.network, offset, scale).eval()
        # torchattacks views its tensors, which needs the default layout
        images = ((batch.inputs - offset) / scale).contiguous()
        with library_randomness(batch), contextlib.redirect_stdout(io.StringIO()):
            member = self._member(name, network, threshold / scale, classes, batch)
            moved = member(images, batch.away_from).detach()
        # rounding in [0, 1] is coarser than in the inputs' units, so project once more
        radius = per_sample(threshold, images)
        perturbed = batch.clip(batch.inputs + project(scale * (moved - images), radius, self.norm))
        return settle(batch.inputs, finite(batch, perturbed), radius, self.norm)

    def _member(
        self, name: str, network: nn.Module, threshold: float, classes: int, batch: Batch
    ) -> torchattacks.attack.Attack:
        # imported where it is needed: half of the start-up time of a job with another attack
        import torchattacks

        common: dict[str, Any] = {
            "norm": {"linf": "Linf", "l2": "L2"}[self.norm],
            "eps": threshold,
            "n_restarts": 1,
            "seed": (batch.seed + batch.first) % 2**63,
        }
        # As many as the reference has, where there are more: the library attacks all.
        targeted = {"n_classes": min(classes, TARGETS + 1)}
        if name == "apgd_ce":
            member = torchattacks.APGD(network, loss="ce", steps=self.steps, **common)
        elif name == "apgd_t":
            member = torchattacks.APGDT(network, steps=self.steps, **targeted, **common)
        elif name == "fab_t":
            member = torchattacks.FAB(
                network, multi_targeted=True, steps=self.steps, **targeted, **common
            )
        else:
            member = torchattacks.Square(network, n_queries=self.queries, **common)
        member.set_device(batch.inputs.device)
        return member


def unit_range(batch: Batch, threshold: float) -> tuple[Tensor, float]:
    """Return offset and scale of the map from [0, 1] to the inputs.

    With a box, 0 is its lower end per channel and 1 its upper end for the widest channel (the
    network clips the others). Without one, the range holds all inputs and any perturbation by
    twice the threshold, so that torchattacks' clipping never acts within the ball.
    """
    if batch.box is not None:
        low, high = batch.box
        return low, float((high - low).max())
    low = batch.inputs.amin() - 2 * threshold
    return low, float(batch.inputs.amax() + 2 * threshold - low)


autoattack_linf = AutoAttack(
    norm="linf",
    reference="Croce and Hein (2020), arXiv:2003.01690",
    block=32,
)
autoattack_l2 = AutoAttack(
    norm="l2",
    reference="Croce and Hein (2020), arXiv:2003.01690",
    block=32,
)
