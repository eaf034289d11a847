from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from advdim.attacks.base import Attack, Batch
from advdim.attacks.evaluate import AttackViolation, evaluate_attack, verify
from advdim.attacks.registry import ATTACKS
from advdim.units import Normalisation

Images = tuple[Tensor, Tensor]
NORMALISATION = Normalisation((0.5, 0.45, 0.4), (0.15, 0.2, 0.25))
COLUMNS = {
    "sample",
    "label",
    "prediction",
    "adversarial_prediction",
    "norm_linf",
    "norm_l2",
    "loss",
    "adversarial_loss",
    "first_order",
    "snr_db",
    "success",
}


def test_columns_have_a_value_per_sample(attack: Attack, linear: nn.Module, images: Images) -> None:
    rows = evaluate_attack(linear, *images, attack, 0.3, (0.1, 0.6))
    assert set(rows) == COLUMNS
    assert {len(column) for column in rows.values()} == {len(images[0])}
    assert rows["success"].shape == (len(images[0]), 3)
    assert rows["success"].dtype == bool
    changed = rows["adversarial_prediction"] != rows["prediction"]
    assert (changed == rows["success"][:, 0]).all()


def test_values_of_fgsm_on_a_linear_network(linear: nn.Module, images: Images) -> None:
    inputs, labels = images
    rows = evaluate_attack(linear, inputs, labels, ATTACKS["fgsm"], 0.01, target="label")
    leaf = inputs.clone().requires_grad_(True)
    loss = functional.cross_entropy(linear(leaf), labels, reduction="none")
    loss.sum().backward()
    assert leaf.grad is not None
    np.testing.assert_allclose(rows["loss"], loss.detach(), rtol=1e-5)
    first_order = 0.01 * leaf.grad.abs().sum(dim=(1, 2, 3))
    np.testing.assert_allclose(rows["first_order"], first_order, rtol=1e-4)
    damage = rows["adversarial_loss"] - rows["loss"]
    # the loss of a linear network is convex, so Lemma 2 is a lower bound, tight for small steps
    assert (damage >= rows["first_order"] * (1 - 1e-3)).all()
    np.testing.assert_allclose(damage, rows["first_order"], rtol=0.15)
    signal = inputs.flatten(1).norm(dim=1)
    expected = 20 * np.log10(signal.numpy() / (0.01 * math.sqrt(192)))
    np.testing.assert_allclose(rows["snr_db"], expected, rtol=1e-3)


def test_thresholds_of_both_norms_have_one_signal_to_noise_ratio(
    network: nn.Module, images: Images
) -> None:
    ratios = [
        evaluate_attack(network, *images, ATTACKS[name], 0.02)["snr_db"]
        for name in ("fgsm", "gradient_l2")
    ]
    np.testing.assert_allclose(ratios[0], ratios[1], atol=0.1)


@pytest.mark.parametrize("name", ["fgsm", "pgd_l2", "deepfool_linf"])
def test_pixel_and_normalised_thresholds_agree(
    network: nn.Module, images: Images, name: str
) -> None:
    pixel = evaluate_attack(
        network, *images, ATTACKS[name], 0.06, (0.08,), normalisation=NORMALISATION, units="pixel"
    )
    normalised = evaluate_attack(
        network, *images, ATTACKS[name], 0.3, (0.4,), normalisation=NORMALISATION
    )
    for column in COLUMNS:
        np.testing.assert_allclose(pixel[column], normalised[column], rtol=1e-4, err_msg=column)


def test_box_is_kept(attack: Attack, linear: nn.Module, images: Images) -> None:
    pixels = NORMALISATION.invert(images[0]).clamp(0, 1)
    inputs = NORMALISATION.apply(pixels)
    box = NORMALISATION.box(inputs)
    targets = linear(inputs).argmax(dim=1)
    perturbed = attack.run(linear, inputs, targets, 0.8, box=box)
    back = NORMALISATION.invert(perturbed)
    assert back.min() >= -1e-6
    assert back.max() <= 1 + 1e-6
    free = attack.run(linear, inputs, targets, 0.8)
    assert not torch.equal(free, perturbed)
    rows = evaluate_attack(
        linear, inputs, images[1], attack, 0.8, normalisation=NORMALISATION, box=True
    )
    assert rows["success"].mean() > 0.2


def test_prediction_target_counts_changes_and_label_target_errors(
    network: nn.Module, images: Images
) -> None:
    inputs, labels = images
    wrong = (labels + 1) % 5
    changed = evaluate_attack(network, inputs, wrong, ATTACKS["deepfool_l2"], 0.1)
    errors = evaluate_attack(network, inputs, wrong, ATTACKS["deepfool_l2"], 0.1, target="label")
    assert (changed["norm_l2"] > 0).all()
    assert (errors["norm_l2"] == 0).all()
    assert errors["success"].all()
    for name in ("fgsm", "pgd_linf", "autoattack_linf"):
        errors = evaluate_attack(network, inputs, wrong, ATTACKS[name], 0.1, target="label")
        assert (errors["norm_linf"] == 0).all()


def test_nothing_found_is_nan(network: nn.Module, images: Images) -> None:
    rows = evaluate_attack(network, *images, ATTACKS["pgd_linf"], 1e-4, ceiling_inf=1e-3)
    assert np.isnan(rows["norm_linf"]).all()
    assert np.isnan(rows["norm_l2"]).all()
    assert not rows["success"].any()


def test_threshold_zero_is_the_clean_network(network: nn.Module, images: Images) -> None:
    rows = evaluate_attack(network, *images, ATTACKS["fgsm"], 0.0)
    assert (rows["loss"] == rows["adversarial_loss"]).all()
    assert (rows["first_order"] == 0).all()
    assert np.isinf(rows["snr_db"]).all()


def test_false_claims_are_violations(network: nn.Module, images: Images) -> None:
    inputs, _ = images
    attack = ATTACKS["fgsm"]
    with torch.no_grad():
        targets = network(inputs).argmax(dim=1)
    batch = Batch(network, inputs, targets, None, 0, 40)
    claimed = torch.zeros(len(inputs), dtype=torch.bool)
    verify(network, attack, batch, inputs, claimed, 0.1)
    claimed[3] = True
    with pytest.raises(AttackViolation, match="fgsm: the perturbed sample 43 is reported"):
        verify(network, attack, batch, inputs, claimed, 0.1)
    moved = inputs.clone()
    moved[5, 0, 0, 0] += 0.1001
    with pytest.raises(AttackViolation, match="fgsm: the perturbed sample 45 leaves the ball"):
        verify(network, attack, batch, moved, claimed & False, 0.1)
    moved[5, 0, 0, 0] = math.nan
    with pytest.raises(AttackViolation, match="sample 45"):
        verify(network, attack, batch, moved, claimed & False, 0.1)


def test_senseless_requests_are_refused(network: nn.Module, images: Images) -> None:
    inputs, labels = images
    attack = ATTACKS["fgsm"]
    with pytest.raises(ValueError, match="float32"):
        evaluate_attack(network, inputs.double(), labels, attack, 0.1)
    with pytest.raises(ValueError, match="negative"):
        evaluate_attack(network, inputs, labels, attack, 0.1, (-0.1,))
    with pytest.raises(ValueError, match="normalisation"):
        evaluate_attack(network, inputs, labels, attack, 0.1, units="pixel")
