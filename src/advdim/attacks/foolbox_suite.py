"""Adapters to the attacks of foolbox (Rauber et al., 2017).

foolbox takes one threshold for all samples and one pair of scalar bounds. The adapters attack the
*perturbation in units of its threshold*, ``z -> network(inputs + threshold * z)``, from z = 0 with
threshold 1: the same algorithm, but every sample may have its own threshold, and a pixel box with
its channel-wise bounds is clipped inside the network.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import foolbox
import torch
from foolbox import attacks as foolbox_attacks
from torch import Tensor, nn

from advdim.attacks.at_threshold import OneStepAttack, ThresholdAttack
from advdim.attacks.base import Batch, MinimalAttack
from advdim.attacks.pgd import per_sample
from advdim.attacks.search import search_direction

MakeAttack = Callable[[], Any]


class PerturbationNetwork(nn.Module):
    """The network as a function of the perturbation in units of its threshold."""

    def __init__(self, network: nn.Module, inputs: Tensor, radius: Tensor) -> None:
        super().__init__()
        self.network = network
        self.inputs = inputs
        self.radius = radius

    def forward(self, perturbation: Tensor) -> Tensor:
        """Map perturbations (N, C, H, W) to the logits (N, K) of the perturbed inputs."""
        return self.network(self.inputs + self.radius * perturbation)


@dataclass(frozen=True, kw_only=True)
class FoolboxAttack(ThresholdAttack):
    """A foolbox attack at a fixed threshold.

    Attributes:
        make: builds the foolbox attack.
    """

    make: MakeAttack

    def configured(self, **options: float) -> Self:
        """Return the same attack with other ``steps`` or another ``relative_step``."""
        if "relative_step" in options:
            options["rel_stepsize"] = options.pop("relative_step")
        return replace(self, make=partial(self.make, **options))

    def perturb(self, batch: Batch, threshold: float | Tensor) -> Tensor:
        """Run the foolbox attack."""
        radius = per_sample(threshold, batch.inputs)
        return batch.inputs + radius * unit_perturbation(self.make(), batch, radius)


@dataclass(frozen=True, kw_only=True)
class FoolboxOneStepAttack(OneStepAttack):
    """A one-step foolbox attack: the step does not depend on the threshold.

    Attributes:
        make: builds the foolbox attack.
    """

    make: MakeAttack

    def direction(self, batch: Batch) -> Tensor:
        """Return foolbox's perturbation for threshold 1."""
        return unit_perturbation(self.make(), batch, per_sample(1.0, batch.inputs))


@dataclass(frozen=True, kw_only=True)
class FoolboxMinimalAttack(MinimalAttack):
    """A foolbox attack that minimises the perturbation.

    Attributes:
        make: builds the foolbox attack.
    """

    make: MakeAttack

    def configured(self, **options: float) -> Self:
        """Return the same attack with other ``steps``."""
        return replace(self, make=partial(self.make, **options))

    def minimise(self, batch: Batch) -> Tensor:
        """Run the foolbox attack."""
        with library_randomness(batch):
            criterion = foolbox.criteria.Misclassification(batch.away_from)
            return self.make().run(foolbox_model(batch.network, batch), batch.inputs, criterion)


@dataclass(frozen=True, kw_only=True)
class BoundaryAttack(FoolboxMinimalAttack):
    """The decision-based attack, started from the nearest sample with another prediction.

    Uniform noise, foolbox's own start, has one prediction for most networks, and so starts no
    attack on the samples of that class. A sample without a start is not attacked.
    """

    def minimise(self, batch: Batch) -> Tensor:
        """Run foolbox's attack on the samples that have a start."""
        starts = nearest_other(batch)
        has_start = batch.is_adversarial(starts) & ~batch.is_adversarial(batch.inputs)
        rows = has_start.nonzero().flatten()
        result = batch.inputs.clone()
        if len(rows):
            part = batch.select(rows)
            with library_randomness(batch):
                result[rows] = self.make().run(
                    foolbox_model(batch.network, batch),
                    part.inputs,
                    foolbox.criteria.Misclassification(part.away_from),
                    starting_points=starts[rows],
                )
        return result


def nearest_other(batch: Batch) -> Tensor:
    """Return, per sample, the first crossing towards the nearest one of another prediction."""
    distances = torch.cdist(batch.inputs.flatten(1), batch.inputs.flatten(1))
    with torch.no_grad():
        predictions = batch.network(batch.inputs).argmax(dim=1)
    same = predictions.unsqueeze(0) == batch.away_from.unsqueeze(1)
    nearest = distances.masked_fill(same, math.inf).argmin(dim=1)
    directions = batch.inputs[nearest] - batch.inputs
    scale = search_direction(batch, directions, 1.0, grid=16, ratio=1.1)
    scale = torch.where(torch.isfinite(scale), scale, 0.0)
    return batch.inputs + scale.view(-1, 1, 1, 1) * directions


def unit_perturbation(attack: Any, batch: Batch, radius: Tensor) -> Tensor:
    """Run a foolbox attack on the perturbation, with threshold 1."""
    network = PerturbationNetwork(batch.network, batch.inputs, radius).eval()
    criterion = foolbox.criteria.Misclassification(batch.away_from)
    with library_randomness(batch):
        start = torch.zeros_like(batch.inputs)
        return attack.run(foolbox_model(network, batch), start, criterion, epsilon=1.0)


def foolbox_model(network: nn.Module, batch: Batch) -> foolbox.PyTorchModel:
    """Wrap a network for foolbox, without bounds."""
    return foolbox.PyTorchModel(
        network.eval(), bounds=(-math.inf, math.inf), device=batch.inputs.device
    )


@contextmanager
def library_randomness(batch: Batch) -> Iterator[None]:
    """Seed the global random numbers that a library draws, restore them after, and silence it.

    That an operation has no fixed order on a GPU is still said.
    """
    device = batch.inputs.device
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("default", message=".*determinis")
        torch.manual_seed((batch.seed + batch.first) % 2**63)
        yield


fgsm = FoolboxOneStepAttack(
    norm="linf",
    reference="Goodfellow, Shlens, Szegedy (2015), arXiv:1412.6572",
    make=foolbox_attacks.LinfFastGradientAttack,
)
gradient_l2 = FoolboxOneStepAttack(
    norm="l2",
    reference="Simon-Gabriel et al. (2019), Eq. 2; Lyu et al. (2015), arXiv:1511.06385",
    make=foolbox_attacks.L2FastGradientAttack,
)
iterative_linf = FoolboxAttack(
    norm="linf",
    reference="Kurakin, Goodfellow, Bengio (2017), arXiv:1607.02533",
    make=foolbox_attacks.LinfBasicIterativeAttack,
)
iterative_l2 = FoolboxAttack(
    norm="l2",
    reference="Kurakin, Goodfellow, Bengio (2017), arXiv:1607.02533",
    make=foolbox_attacks.L2BasicIterativeAttack,
)
deepfool_l2 = FoolboxMinimalAttack(
    norm="l2",
    reference="Moosavi-Dezfooli, Fawzi, Frossard (2016), arXiv:1511.04599",
    make=foolbox_attacks.L2DeepFoolAttack,
)
deepfool_linf = FoolboxMinimalAttack(
    norm="linf",
    reference="Moosavi-Dezfooli, Fawzi, Frossard (2016), arXiv:1511.04599",
    make=foolbox_attacks.LinfDeepFoolAttack,
)
ddn_l2 = FoolboxMinimalAttack(
    norm="l2",
    reference="Rony et al. (2019), arXiv:1811.09600",
    make=foolbox_attacks.DDNAttack,
)
boundary_l2 = BoundaryAttack(
    norm="l2",
    reference="Brendel, Rauber, Bethge (2018), arXiv:1712.04248",
    block=100,
    # foolbox adapts its step lengths every 10 steps: too rarely for Figure 4's 2,000 steps
    make=partial(foolbox_attacks.BoundaryAttack, steps=2000, update_stats_every_k=1),
)
