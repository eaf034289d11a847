from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from foolbox import attacks as foolbox_attacks
from torch import Tensor, nn

from advdim.attacks.autoattack import AutoAttack
from advdim.attacks.base import Attack
from advdim.attacks.registry import ATTACKS
from advdim.networks.perturbations import Box

CLASSES = 5
SIZE = 8


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def clusters(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Smooth class templates plus noise, with mean 0 and standard deviation about 1."""
    templates = torch.randn(CLASSES, 3, 2, 2, generator=torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    images = nn.functional.interpolate(templates, size=SIZE, mode="bilinear")[labels]
    return images + 0.7 * torch.randn(images.shape, generator=generator), labels


@pytest.fixture(scope="session")
def images() -> tuple[Tensor, Tensor]:
    return clusters(20, seed=1)


@pytest.fixture(scope="session")
def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(8 * SIZE * SIZE // 4, CLASSES),
        )
        inputs, labels = clusters(400, seed=2)
        optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
        for _ in range(40):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(inputs), labels).backward()
            optimiser.step()
    return model.eval()


@pytest.fixture(scope="session")
def linear() -> nn.Module:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, CLASSES))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        model[1].weight.copy_(torch.randn(model[1].weight.shape, generator=generator))
        model[1].weight.mul_(0.05)
        model[1].bias.zero_()
    return model.eval()


def brief(attack: Attack) -> Attack:
    """The same attack with fewer steps, for tests."""
    if isinstance(attack, AutoAttack):
        return replace(attack, steps=20, queries=50)
    if attack.name == "boundary_l2":
        make = partial(foolbox_attacks.BoundaryAttack, steps=150, update_stats_every_k=1)
        return replace(attack, make=make)  # type: ignore[call-arg]
    return attack


@pytest.fixture(params=sorted(ATTACKS))
def attack(request: pytest.FixtureRequest) -> Attack:
    return brief(ATTACKS[request.param])


def attacked(
    attack: Attack,
    network: nn.Module,
    inputs: Tensor,
    away_from: Tensor,
    threshold: float,
    *,
    seed: int = 0,
    batch_size: int = 32,
    box: Box | None = None,
) -> Tensor:
    """Perturbed inputs within one threshold."""
    batches = attack.batches(network, inputs, away_from, seed, batch_size, box)
    return torch.cat([attack.at_threshold(batch, threshold) for batch in batches])


def generous(attack: Attack, epsilon_inf: float = 1.0) -> float:
    """A threshold at which any working attack changes most predictions of the test network."""
    return epsilon_inf if attack.norm == "linf" else epsilon_inf * math.sqrt(3 * SIZE * SIZE)


def gaps(model: nn.Module, inputs: Tensor, order: float) -> Tensor:
    """Exact distance of a linear classifier's boundary: margin / dual norm, least over classes."""
    weight = model[1].weight.detach()  # type: ignore[index]
    logits = model(inputs).detach()
    prediction = logits.argmax(dim=1)
    margins = logits.gather(1, prediction.unsqueeze(1)) - logits
    dual = torch.linalg.vector_norm(weight[prediction].unsqueeze(1) - weight, ord=order, dim=2)
    margins[torch.arange(len(inputs)), prediction] = torch.inf
    return (margins / dual.clamp_min(1e-12)).amin(dim=1)
