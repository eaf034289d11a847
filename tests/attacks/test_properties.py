"""What holds for every attack of the registry, and what a broken attack must fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from advdim.attacks.at_threshold import ThresholdAttack
from advdim.attacks.base import Attack, Batch
from advdim.attacks.evaluate import AttackViolation, evaluate_attack
from advdim.attacks.registry import ATTACKS
from advdim.networks.perturbations import norms

from .conftest import attacked, generous

Images = tuple[Tensor, Tensor]


def predictions(network: nn.Module, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        return network(inputs).argmax(dim=1)


def check_succeeds(attack: Attack, network: nn.Module, images: Images) -> None:
    inputs, _ = images
    clean = predictions(network, inputs)
    perturbed = attacked(attack, network, inputs, clean, generous(attack))
    assert (predictions(network, perturbed) != clean).float().mean() > 0.7


def check_within_ball(
    attack: Attack, network: nn.Module, images: Images, thresholds: Sequence[float]
) -> None:
    inputs, _ = images
    clean = predictions(network, inputs)
    for epsilon in thresholds:
        perturbed = attacked(attack, network, inputs, clean, epsilon)
        assert norms(perturbed - inputs, attack.norm).max() <= epsilon * (1 + 1e-5)


def check_evaluates(attack: Attack, network: nn.Module, images: Images) -> None:
    inputs, labels = images
    rows = evaluate_attack(network, inputs, labels, attack, 0.05, (0.4, 1.0))
    rate = rows["success"].mean(axis=0)
    assert rate[0] <= rate[1] <= rate[2]
    assert rate[2] > 0.7
    norm = rows[f"norm_{attack.norm}"]
    # a success within a threshold bounds the smallest norm found
    assert np.isfinite(norm[rows["success"][:, 2]]).all()
    reached = generous(attack, 1.0) * (1 + 1e-5)
    assert (norm[rows["success"][:, 2]] <= reached).all()


def test_attack_succeeds_at_a_generous_threshold(
    attack: Attack, network: nn.Module, images: Images
) -> None:
    check_succeeds(attack, network, images)


def test_perturbations_stay_within_the_ball(
    attack: Attack, network: nn.Module, images: Images
) -> None:
    check_within_ball(attack, network, images, [generous(attack, e) for e in (1e-4, 0.03)])


def test_evaluation_verifies_and_is_consistent(
    attack: Attack, network: nn.Module, images: Images
) -> None:
    check_evaluates(attack, network, images)


def test_same_seed_same_result_and_global_randomness_untouched(
    attack: Attack, network: nn.Module, images: Images
) -> None:
    inputs, labels = images
    state = torch.random.get_rng_state()
    first = attacked(attack, network, inputs, labels, generous(attack, 0.1), seed=7)
    assert torch.equal(state, torch.random.get_rng_state())
    torch.rand(3)
    assert torch.equal(
        first, attacked(attack, network, inputs, labels, generous(attack, 0.1), seed=7)
    )


def test_batch_size_does_not_matter(attack: Attack, network: nn.Module, images: Images) -> None:
    inputs, _ = images
    clean = predictions(network, inputs)
    epsilon = generous(attack, 0.1)
    whole = attacked(attack, network, inputs, clean, epsilon, batch_size=64)
    parts = attacked(attack, network, inputs, clean, epsilon, batch_size=7)
    assert torch.equal(predictions(network, whole), predictions(network, parts))
    sizes = [norms(perturbed - inputs, attack.norm) for perturbed in (whole, parts)]
    torch.testing.assert_close(*sizes, rtol=1e-4, atol=1e-6)


def test_attack_has_a_reference_and_its_own_name(attack: Attack) -> None:
    assert ATTACKS[attack.name].name == attack.name
    assert "arXiv" in attack.reference


def test_libraries_stay_silent(
    attack: Attack,
    network: nn.Module,
    images: Images,
    capfd: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
) -> None:
    inputs, labels = images
    attacked(attack, network, inputs[:4], labels[:4], 0.1)
    assert capfd.readouterr() == ("", "")
    assert not [str(warning.message) for warning in recwarn]


def test_training_mode_is_refused(attack: Attack, network: nn.Module, images: Images) -> None:
    inputs, labels = images
    training = nn.Sequential(network).train()
    network.eval()
    with pytest.raises(ValueError, match="training mode"):
        attacked(attack, training, inputs, labels, 0.1)


@dataclass(frozen=True, kw_only=True)
class NoAttack(ThresholdAttack):
    """Returns its inputs."""

    def perturb(self, batch: Batch, epsilon: float | Tensor) -> Tensor:
        return batch.inputs.clone()


@dataclass(frozen=True, kw_only=True)
class EscapingAttack(ThresholdAttack):
    """Leaves its ball by one part in a hundred."""

    def perturb(self, batch: Batch, epsilon: float | Tensor) -> Tensor:
        return batch.inputs + 1.01 * torch.as_tensor(epsilon).view(-1, 1, 1, 1)


def test_an_attack_that_does_nothing_fails_the_checks(network: nn.Module, images: Images) -> None:
    attack = NoAttack(name="none", norm="linf", reference="")
    for check in (check_succeeds, check_evaluates):
        with pytest.raises(AssertionError):
            check(attack, network, images)


def test_an_attack_that_leaves_its_ball_fails_the_checks(
    network: nn.Module, images: Images
) -> None:
    attack = EscapingAttack(name="escaping", norm="linf", reference="")
    with pytest.raises(AssertionError):
        check_within_ball(attack, network, images, [0.1])
    with pytest.raises(AttackViolation, match="escaping: the perturbed sample 0 leaves the ball"):
        check_evaluates(attack, network, images)
