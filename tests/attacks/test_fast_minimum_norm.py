"""FMN on a curved boundary whose distance is known, in any units, and beside foolbox's."""

from __future__ import annotations

import math

import foolbox
import pytest
import torch
from foolbox import attacks as foolbox_attacks
from torch import Tensor, nn

from advdim.attacks.evaluate import evaluate_attack, predict
from advdim.attacks.registry import ATTACKS
from advdim.networks.perturbations import norms

Images = tuple[Tensor, Tensor]
NAMES = ("fmn_l2", "fmn_linf")


class Shell(nn.Module):
    """One class inside the unit ball around a corner's coordinates, the other outside."""

    def forward(self, inputs: Tensor) -> Tensor:
        excess = inputs.flatten(1).square().sum(dim=1) - 1
        return torch.stack([-excess, excess], dim=1)


class Rescaled(nn.Module):
    """The network on inputs in other units."""

    def __init__(self, network: nn.Module, unit: float) -> None:
        super().__init__()
        self.network, self.unit = network, unit

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(inputs / self.unit)


def smallest(name: str, network: nn.Module, inputs: Tensor, labels: Tensor, **steps: int) -> Tensor:
    attack = ATTACKS[name].configured(**steps)
    rows = evaluate_attack(network, inputs, labels, attack, 0.05, ceiling_inf=1e6)
    return torch.from_numpy(rows[f"norm_{attack.norm}"])


def test_the_distance_to_a_sphere_in_l2_and_in_linf() -> None:
    inputs = torch.tensor([[0.3, 0.4], [0.1, 0.05], [-0.6, 0.2], [0.9, -0.9], [2.0, 1.0]])
    inputs = inputs.view(-1, 2, 1, 1)
    labels = torch.tensor([0, 0, 0, 1, 1])
    length = inputs.flatten(1).norm(dim=1)
    found = smallest("fmn_l2", Shell().eval(), inputs, labels)
    torch.testing.assert_close(found, (length - 1).abs(), rtol=5e-3, atol=0)
    # in l-inf both coordinates move by t: |x|^2 + 2 t sum|x| + 2 t^2 = 1, from inside
    inside = inputs[:3]
    total, square = inside.abs().flatten(1).sum(dim=1), length[:3].square()
    exact = (-total + (total.square() + 2 * (1 - square)).sqrt()) / 2
    found = smallest("fmn_linf", Shell().eval(), inside, labels[:3])
    torch.testing.assert_close(found, exact, rtol=5e-3, atol=0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_units_do_not_matter(network: nn.Module, images: Images, name: str, unit: float) -> None:
    inputs, labels = images
    usual = smallest(name, network, inputs, labels)
    other = smallest(name, Rescaled(network, unit).eval(), inputs * unit, labels)
    torch.testing.assert_close(other / unit, usual, rtol=2e-2, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_no_worse_than_foolbox_and_more_steps_help(
    network: nn.Module, images: Images, name: str
) -> None:
    inputs, labels = images
    clean, _ = predict(network, inputs, len(inputs))
    library = {"fmn_l2": foolbox_attacks.L2FMNAttack, "fmn_linf": foolbox_attacks.LInfFMNAttack}
    model = foolbox.PyTorchModel(network, bounds=(-10.0, 10.0))
    perturbed = library[name](steps=100).run(model, inputs, clean)
    theirs = norms(perturbed - inputs, ATTACKS[name].norm)
    theirs[predict(network, perturbed, len(inputs))[0] == clean] = math.inf
    found = smallest(name, network, inputs, labels)
    assert not found.isnan().any()
    assert found.median() <= theirs.median() * 1.001
    assert found.mean() < 0.99 * smallest(name, network, inputs, labels, steps=5).mean()


def test_the_perturbed_image_stays_in_its_box(network: nn.Module, images: Images) -> None:
    inputs, _ = images
    clean, _ = predict(network, inputs, len(inputs))
    box = (inputs.amin(), inputs.amax())
    for name in NAMES:
        attack = ATTACKS[name]
        batch = next(attack.batches(network, inputs, clean, 0, 64, box))
        found = attack.find(batch, (), 1e6).smallest
        assert found.amin() >= box[0]
        assert found.amax() <= box[1]
        changed = predict(network, found, len(inputs))[0] != clean
        assert changed.float().mean() > 0.7
