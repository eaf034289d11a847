"""The ensemble against its members, and on few and many classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from advdim.attacks.autoattack import MEMBERS, AutoAttack
from advdim.attacks.base import Attack, Batch
from advdim.attacks.evaluate import evaluate_attack
from advdim.attacks.registry import ATTACKS
from tests.attacks.conftest import gaps

Images = tuple[Tensor, Tensor]


def brief(name: str = "autoattack_linf", **options: object) -> AutoAttack:
    attack = ATTACKS[name]
    assert isinstance(attack, AutoAttack)
    return replace(attack, steps=10, queries=100, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "threshold"), [("autoattack_linf", 0.3), ("autoattack_l2", 0.3)])
def test_the_ensemble_is_never_weaker_than_its_parts(
    network: nn.Module, images: Images, name: str, threshold: float
) -> None:
    def broken(attack: Attack) -> np.ndarray:
        return evaluate_attack(network, *images, attack, threshold)["success"][:, 0]

    ensemble = broken(brief(name))
    parts = {member: broken(brief(name, members=(member,))) for member in MEMBERS}
    assert 0 < ensemble.sum() < len(ensemble)
    assert any(part.sum() < ensemble.sum() for part in parts.values())
    for member, part in parts.items():
        assert part.sum() <= ensemble.sum(), member
    # These two draw nothing that depends on what others have left.
    for member in ("apgd_ce", "fab_t"):
        assert not (parts[member] & ~ensemble).any(), member


def test_a_member_attacks_whatever_is_not_adversarial_yet(
    network: nn.Module, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A success that does not stand is none: here the first member only touches the boundary."""
    with torch.no_grad():
        clean = network(images[0]).argmax(dim=1)
    batch = next(brief().batches(network, images[0], clean, 0, 64, None))
    attacked: dict[str, int] = {}
    original = AutoAttack._run

    def run(self: AutoAttack, name: str, part: Batch, threshold: float, classes: int) -> Tensor:
        attacked[name] = len(part.inputs)
        if name == "apgd_ce":
            return part.inputs
        return original(self, name, part, threshold, classes)

    monkeypatch.setattr(AutoAttack, "_run", run)
    perturbed, found_by = brief().attack(batch, 0.3)
    assert attacked["apgd_ce"] == attacked["apgd_t"] == len(clean)
    assert attacked["fab_t"] == len(clean) - found_by.count("apgd_t") > 0
    broken = batch.is_adversarial(perturbed)
    assert [bool(name) for name in found_by] == broken.tolist()
    assert "apgd_ce" not in found_by


@pytest.mark.parametrize("name", ["autoattack_linf", "autoattack_l2"])
@pytest.mark.parametrize("classes", [2, 3])
def test_few_classes_are_attacked_without_the_member_that_needs_four(
    images: Images, name: str, classes: int
) -> None:
    """The distance of a linear network's boundary is known."""
    linear = nn.Sequential(nn.Flatten(), nn.Linear(192, classes)).eval()
    inputs = images[0][:6]
    labels = torch.zeros(6, dtype=torch.int64)
    attack = brief(name)
    assert attack.effort(classes) == "10 steps, 100 queries, no APGD-T"
    root = 1 if attack.norm == "linf" else 192**0.5
    exact = gaps(linear, inputs, 1 if attack.norm == "linf" else 2).numpy() / root
    threshold = float(np.sort(exact)[2:4].mean())
    rows = evaluate_attack(linear, inputs, labels, attack, threshold)
    assert rows["success"][:, 0].tolist() == (exact < threshold).tolist()


def test_nine_targets_are_enough_for_any_number_of_classes(images: Images) -> None:
    """As the reference; the library would attack each of 99."""
    for classes, away_from in ((5, 4), (10, 9), (100, 9)):
        network = nn.Sequential(nn.Flatten(), nn.Linear(192, classes)).eval()
        batch = next(brief().batches(network, *images, 0, 64, None))
        for name in ("apgd_t", "fab_t"):
            member = brief()._member(name, network, 0.1, classes, batch)
            assert member.n_target_classes == away_from, (name, classes)


def test_the_effort_of_the_reference_goes_without_saying() -> None:
    attack = ATTACKS["autoattack_l2"]
    assert isinstance(attack, AutoAttack)
    assert attack.effort(10) == ""
    assert replace(attack, queries=7).effort(4) == "7 queries"
    assert replace(attack, members=("apgd_ce", "square")).effort(10) == "no APGD-T, no FAB-T"
    assert ATTACKS["fgsm"].effort(10) == ""


def test_settings_reach_the_members(network: nn.Module, images: Images) -> None:
    attack = ATTACKS["autoattack_linf"]
    assert isinstance(attack, AutoAttack)
    batch = next(attack.batches(network, *images, 0, 64, None))

    def efforts(attack: AutoAttack) -> list[int]:
        members = [attack._member(name, network, 0.1, 5, batch) for name in MEMBERS]
        return [
            member.n_queries if hasattr(member, "n_queries") else member.steps for member in members
        ]

    assert efforts(attack) == [100, 100, 100, 5000]
    assert efforts(replace(attack, steps=10, queries=7)) == [10, 10, 10, 7]


def test_autoattack_leaves_decided_samples_alone(
    network: nn.Module, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack = replace(ATTACKS["autoattack_linf"], steps=5, queries=50)
    thresholds = [0.4, 0.3, 0.35, 0.45, 0.6]
    alone = [
        evaluate_attack(network, *images, attack, threshold)["success"][:, 0]
        for threshold in thresholds
    ]
    attacked: list[tuple[float, int]] = []
    original = AutoAttack.attack

    def spy(self: AutoAttack, batch: Batch, threshold: float) -> tuple[Tensor, list[str]]:
        attacked.append((threshold, len(batch.inputs)))
        return original(self, batch, threshold)

    monkeypatch.setattr(AutoAttack, "attack", spy)
    rows = evaluate_attack(network, *images, attack, thresholds[0], thresholds[1:])
    count = dict(attacked)
    assert count[0.4] == len(images[0])
    assert 0 < count[0.35] < alone[0].sum()
    assert count.get(0.3, 0) < alone[0].sum()
    assert count[0.45] == (~alone[0]).sum() > 0
    assert (rows["success"][:, 0] == alone[0]).all()
    by_size = rows["success"][:, np.argsort(thresholds)]
    assert (np.diff(by_size.astype(int), axis=1) >= 0).all()
    # what is skipped is what the ensemble alone does not break either, but for chance
    for k in range(len(thresholds)):
        assert (rows["success"][:, k] >= alone[k]).mean() > 0.9
    found = rows["norm_linf"]
    for k, threshold in enumerate(thresholds):
        assert (rows["success"][:, k] == (found <= threshold)).all()
