"""Linear classifiers, where the smallest perturbations are known exactly, and crafted lines."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from foolbox import attacks as foolbox_attacks
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from advdim.attacks.base import Attack, Batch
from advdim.attacks.evaluate import evaluate_attack
from advdim.attacks.registry import ATTACKS
from advdim.attacks.search import search_direction

from .conftest import attacked, gaps

Images = tuple[Tensor, Tensor]


def two_classes(linear: nn.Module) -> nn.Module:
    """The classifier between the first two classes: there one direction is best for all attacks."""
    weight = linear[1].weight.detach()  # type: ignore[index]
    model = nn.Sequential(nn.Flatten(), nn.Linear(weight.shape[1], 2))
    with torch.no_grad():
        model[1].weight.copy_(weight[:2])
        model[1].bias.zero_()
    return model.eval()


def smallest_norms(attack: Attack, model: nn.Module, images: Images) -> Tensor:
    inputs, labels = images
    rows = evaluate_attack(model, inputs, labels.clamp_max(1), attack, 0.05, ceiling_inf=10.0)
    return torch.from_numpy(rows[f"norm_{attack.norm}"])


class Calls(TorchDispatchMode):
    """The names of all operators that run within."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function, types, arguments=(), settings=None):  # type: ignore
        self.names.append(function.__name__.split(".")[0])
        return function(*arguments, **(settings or {}))


def test_a_margin_brings_nothing_from_the_host(network: nn.Module, images: Images) -> None:
    inputs, labels = images
    with torch.no_grad():
        logits = network(inputs)
    batch = Batch(network, inputs, labels, None, 0, 0)
    with Calls() as calls:
        margin = batch.margin(inputs)
    assert not {"lift_fresh", "_to_copy", "_local_scalar_dense"} & set(calls.names)
    for row, label, found in zip(logits.tolist(), labels.tolist(), margin.tolist(), strict=True):
        left = row.pop(label)
        assert found == pytest.approx(max(row) - left, rel=1e-3, abs=1e-4)


# attack, largest relative excess over the exact norm
EXACT = [
    ("fgsm", 0.002),
    ("gradient_l2", 0.002),
    ("iterative_linf", 0.05),
    ("iterative_l2", 0.05),
    ("pgd_linf", 0.05),
    ("pgd_l2", 0.05),
    ("deepfool_l2", 0.03),
    ("deepfool_linf", 0.03),
    ("ddn_l2", 0.06),
    ("fmn_l2", 0.002),
    ("fmn_linf", 0.002),
]


@pytest.mark.parametrize(("name", "excess"), EXACT)
def test_two_class_linear_minimum_is_margin_over_dual_norm(
    linear: nn.Module, images: Images, name: str, excess: float
) -> None:
    model = two_classes(linear)
    attack = ATTACKS[name]
    found = smallest_norms(attack, model, images)
    exact = gaps(model, images[0], 1 if attack.norm == "linf" else 2)
    # the lower end is a theorem, up to the rounding of the norms
    assert (found >= exact * (1 - 1e-4)).all()
    assert (found <= exact * (1 + excess) + 2e-4).all()


@pytest.mark.parametrize("name", ["deepfool_l2", "deepfool_linf", "fmn_l2", "fmn_linf"])
def test_multi_class_linear_minimum_is_the_least_over_classes(
    linear: nn.Module, images: Images, name: str
) -> None:
    attack = ATTACKS[name]
    found = smallest_norms(attack, linear, images)
    exact = gaps(linear, images[0], 1 if attack.norm == "linf" else 2)
    assert (found >= exact * (1 - 1e-4)).all()
    assert (found <= exact * 1.05 + 1e-3).all()


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_no_attack_beats_the_exact_minimum(linear: nn.Module, images: Images, name: str) -> None:
    attack = ATTACKS[name]
    if name == "boundary_l2":
        make = partial(foolbox_attacks.BoundaryAttack, steps=100, update_stats_every_k=1)
        attack = replace(attack, make=make)  # type: ignore[call-arg]
    inputs, labels = images
    rows = evaluate_attack(linear, inputs, labels, attack, 0.2, (0.6,))
    for norm, order in (("linf", 1), ("l2", 2)):
        found = torch.from_numpy(rows[f"norm_{norm}"])
        exact = gaps(linear, inputs, order)
        assert (found.isnan() | (found >= exact * (1 - 1e-4))).all()
        if attack.norm == norm:
            limit = exact if norm == "linf" else exact / math.sqrt(inputs[0].numel())
            claimed = torch.from_numpy(rows["success"])
            assert (~claimed[:, 0] | (limit <= 0.2 * (1 + 1e-4))).all()
            assert (~claimed[:, 1] | (limit <= 0.6 * (1 + 1e-4))).all()


class Islands(nn.Module):
    """Adversarial where the first pixel is in [0.1, 0.12] or above 1."""

    def forward(self, inputs: Tensor) -> Tensor:
        position = inputs[:, 0, 0, 0]
        island = torch.minimum(position - 0.1, 0.12 - position)
        other = torch.maximum(island, position - 1.0)
        return torch.stack([torch.zeros_like(other), other], dim=1)


def islands(count: int) -> tuple[Batch, Tensor]:
    inputs = torch.zeros(count, 1, 2, 2)
    away_from = torch.zeros(count, dtype=torch.int64)
    directions = torch.zeros_like(inputs)
    directions[:, 0, 0, 0] = 1.0
    return Batch(Islands(), inputs, away_from, None, 0, 0), directions


def test_first_crossing_on_the_grid_counts() -> None:
    batch, directions = islands(3)
    fine = search_direction(batch, directions, 2.0, grid=60, ratio=1.1, rounds=20)
    torch.testing.assert_close(fine, torch.full((3,), 0.1), rtol=1e-3, atol=0)
    coarse = search_direction(batch, directions, 2.0, grid=4, ratio=1.9, rounds=20)
    torch.testing.assert_close(coarse, torch.full((3,), 1.0), rtol=1e-3, atol=0)


def test_no_crossing_is_infinite_and_a_crossed_start_is_zero() -> None:
    batch, directions = islands(3)
    ceilings = torch.tensor([0.05, 0.5, 2.0])
    directions[2] = 0.0
    batch.inputs[1, 0, 0, 0] = 0.11
    scales = search_direction(batch, directions, ceilings, grid=40, ratio=1.1)
    assert scales.tolist() == [math.inf, 0.0, math.inf]


@pytest.mark.parametrize("skip", [False, True])
def test_search_agrees_with_a_loop_over_a_thousand_thresholds(
    network: nn.Module, images: Images, skip: bool
) -> None:
    inputs, _ = images
    with torch.no_grad():
        away_from = network(inputs).argmax(dim=1)
    batch = Batch(network, inputs, away_from, None, 0, 0)
    directions = ATTACKS["fgsm"].direction(batch)  # type: ignore[attr-defined]
    found = search_direction(batch, directions, 2.0, rounds=12, skip=skip)
    candidates = torch.linspace(0, 2, 1001)[1:]
    for k in range(len(inputs)):
        moved = inputs[k] + candidates.view(-1, 1, 1, 1) * directions[k]
        with torch.no_grad():
            changed = network(moved).argmax(dim=1) != away_from[k]
        first = float(candidates[changed.int().argmax()]) if changed.any() else math.inf
        assert found[k] <= first * (1 + 1e-3)
        assert math.isinf(first) or found[k] > first - 0.0021


def test_skipping_reaches_a_distant_crossing_in_fewer_passes() -> None:
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3, 2, bias=False)).eval()
    with torch.no_grad():
        linear[1].weight.copy_(torch.tensor([[1.0, 0, 0], [0, 0, 0]]))
    inputs = torch.tensor([[1.0, 0, 0], [0.02, 0, 0], [30.0, 0, 0]]).view(3, 3, 1, 1)
    batch = Batch(linear, inputs, torch.zeros(3, dtype=torch.long), None, 0, 0)
    passes: list[int] = []
    linear.register_forward_hook(lambda _, arguments, __: passes.append(len(arguments[0])))
    work = {}
    for skip in (False, True):
        passes.clear()
        found = search_direction(batch, -torch.ones_like(inputs), 10.0, grid=20, skip=skip)
        torch.testing.assert_close(found, torch.tensor([1.0, 0.02, math.inf]), rtol=2e-3, atol=0)
        work[skip] = sum(passes)
    assert work[True] < 0.5 * work[False]


def test_iterative_search_is_no_worse_than_any_single_run(
    network: nn.Module, images: Images
) -> None:
    inputs, labels = images
    attack = ATTACKS["pgd_linf"]
    rows = evaluate_attack(network, inputs, labels, attack, 0.05, (0.2, 0.3, 0.4))
    norm = torch.from_numpy(rows["norm_linf"])
    for k, epsilon in enumerate((0.05, 0.2, 0.3, 0.4)):
        assert (norm[torch.from_numpy(rows["success"][:, k])] <= epsilon * (1 + 1e-5)).all()
    below = attacked(
        attack, network, inputs, torch.from_numpy(rows["prediction"]), float(norm.min()) * 0.9
    )
    with torch.no_grad():
        assert (network(below).argmax(1) == torch.from_numpy(rows["prediction"])).all()
