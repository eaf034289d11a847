from __future__ import annotations

import functools

import foolbox
import pytest
import torch
from foolbox import attacks as foolbox_attacks
from torch import Tensor, nn
from torch.nn import functional

from advdim.attacks.pgd import pgd
from advdim.networks.perturbations import Norm, norms

Images = tuple[Tensor, Tensor]
FOOLBOX = {
    "linf": foolbox_attacks.LinfProjectedGradientDescentAttack,
    "l2": foolbox_attacks.L2ProjectedGradientDescentAttack,
}
THRESHOLD: dict[Norm, float] = {"linf": 0.37, "l2": 4.6}

# The one-step special cases (Goodfellow et al., 2015; ICML 2019, Eq. 2).
fgsm = functools.partial(pgd, steps=1, step_size=1.0, norm="linf")
gradient_l2 = functools.partial(pgd, steps=1, step_size=1.0, norm="l2")


def wrong_and_loss(network: nn.Module, inputs: Tensor, away_from: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        logits = network(inputs)
    return logits.argmax(1) != away_from, functional.cross_entropy(
        logits, away_from, reduction="none"
    )


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(k) for k in range(count)]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_without_random_start_it_is_foolbox_pgd(
    network: nn.Module, images: Images, norm: Norm
) -> None:
    inputs, labels = images
    epsilon = THRESHOLD[norm]
    own = pgd(network, inputs, labels, epsilon, steps=10, step_size=0.2, norm=norm)
    theirs = FOOLBOX[norm](steps=10, rel_stepsize=0.2, random_start=False).run(
        foolbox.PyTorchModel(network, bounds=(-100, 100)), inputs, labels, epsilon=epsilon
    )
    torch.testing.assert_close(own, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_with_restarts_it_is_at_least_as_strong_as_foolbox(
    network: nn.Module, images: Images, norm: Norm
) -> None:
    inputs, labels = images
    epsilon = THRESHOLD[norm]
    torch.manual_seed(0)
    theirs = FOOLBOX[norm](steps=10, rel_stepsize=0.2).run(
        foolbox.PyTorchModel(network, bounds=(-100, 100)), inputs, labels, epsilon=epsilon
    )
    own = pgd(
        network,
        inputs,
        labels,
        epsilon,
        steps=10,
        step_size=0.2,
        norm=norm,
        random_start=generators(len(inputs)),
        restarts=3,
    )
    own_wrong, own_loss = wrong_and_loss(network, own, labels)
    their_wrong, their_loss = wrong_and_loss(network, theirs, labels)
    assert own_wrong.sum() >= their_wrong.sum() > 0
    assert own_loss.mean() >= their_loss.mean()


def test_restarts_never_weaken_a_sample(network: nn.Module, images: Images) -> None:
    inputs, labels = images
    results = []
    for restarts in (1, 4):
        perturbed = pgd(
            network,
            inputs,
            labels,
            0.25,
            steps=2,
            step_size=0.5,
            random_start=generators(len(inputs)),
            restarts=restarts,
        )
        results.append(wrong_and_loss(network, perturbed, labels))
    (one_wrong, one_loss), (four_wrong, four_loss) = results
    assert (four_wrong | ~one_wrong).all()
    assert (four_loss >= one_loss - 1e-6)[one_wrong == four_wrong].all()
    assert (four_loss > one_loss).any()


def test_one_step_attacks_are_sign_and_unit_gradient(network: nn.Module, images: Images) -> None:
    inputs, labels = images
    leaf = inputs.clone().requires_grad_(True)
    functional.cross_entropy(network(leaf), labels, reduction="sum").backward()
    gradient = leaf.grad
    assert gradient is not None
    torch.testing.assert_close(
        fgsm(network, inputs, labels, 0.1), inputs + 0.1 * gradient.sign(), rtol=0, atol=1e-6
    )
    unit = gradient / gradient.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    torch.testing.assert_close(
        gradient_l2(network, inputs, labels, 0.3), inputs + 0.3 * unit, rtol=0, atol=1e-6
    )


def test_every_sample_may_have_its_own_threshold(network: nn.Module, images: Images) -> None:
    inputs, labels = images
    epsilon = torch.linspace(0, 0.5, len(inputs))
    together = pgd(network, inputs, labels, epsilon, steps=3, step_size=0.4)
    for k in (0, 7, 19):
        alone = pgd(
            network, inputs[k : k + 1], labels[k : k + 1], float(epsilon[k]), steps=3, step_size=0.4
        )
        torch.testing.assert_close(together[k : k + 1], alone, rtol=0, atol=1e-5)
    assert torch.equal(together[0], inputs[0])


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_random_starts_fill_the_ball_uniformly(network: nn.Module, norm: Norm) -> None:
    inputs, labels = torch.zeros(500, 3, 8, 8), torch.zeros(500, dtype=torch.int64)
    # a step of length 0 leaves the random start
    start = pgd(
        network,
        inputs,
        labels,
        2.0,
        steps=1,
        step_size=0.0,
        norm=norm,
        random_start=generators(500),
    )
    share = (norms(start, norm) / 2.0) ** 192
    assert norms(start, norm).max() <= 2.0
    # the volume inside a uniform point's radius is itself uniform on [0, 1] in the l2 ball
    expected = 0.5 if norm == "l2" else 192 / 193 * 0.5 + 0.5 / 193
    assert abs(float(share.mean()) - expected) < 0.05
    assert abs(float(start.mean())) < 0.02


def test_box_and_vanishing_gradient(network: nn.Module, images: Images) -> None:
    inputs, labels = images
    box = (torch.full((1, 3, 1, 1), -0.5), torch.full((1, 3, 1, 1), 0.5))
    inside = inputs.clamp(-0.5, 0.5)
    perturbed = pgd(network, inside, labels, 0.4, steps=3, step_size=0.5, box=box)
    assert perturbed.abs().max() <= 0.5
    constant = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
    nn.init.zeros_(constant[1].weight)
    assert torch.equal(gradient_l2(constant, inputs, labels, 1.0), inputs)


def test_senseless_settings_are_refused(network: nn.Module, images: Images) -> None:
    inputs, labels = images
    with pytest.raises(ValueError, match="at least 1"):
        pgd(network, inputs, labels, 0.1, steps=0, step_size=0.1)
    with pytest.raises(ValueError, match="random_start"):
        pgd(network, inputs, labels, 0.1, steps=1, step_size=0.1, restarts=2)
