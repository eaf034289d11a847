from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from advdim.attacks.base import Attack, Batch
from advdim.attacks.evaluate import AttackViolation, evaluate_attack, first_order, verify
from advdim.attacks.registry import ATTACKS
from advdim.units import Normalisation
from tests.attacks.conftest import CLASSES, attacked

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
    "adversarial_predictions",
    "adversarial_losses",
    "label_attack_predictions",
    "ascended",
    "flags",
}


def test_columns_have_a_value_per_sample(attack: Attack, linear: nn.Module, images: Images) -> None:
    rows = evaluate_attack(linear, *images, attack, 0.3, (0.1, 0.6))
    assert set(rows) == COLUMNS
    assert {len(column) for column in rows.values()} == {len(images[0])}
    assert rows["success"].shape == (len(images[0]), 3)
    assert rows["success"].dtype == bool
    changed = rows["adversarial_prediction"] != rows["prediction"]
    assert (changed == rows["success"][:, 0]).all()
    for one, many in (("prediction", "predictions"), ("loss", "losses")):
        assert rows[f"adversarial_{many}"].shape == (len(images[0]), 3)
        assert (rows[f"adversarial_{many}"][:, 0] == rows[f"adversarial_{one}"]).all()


def test_values_of_fgsm_on_a_linear_network(linear: nn.Module, images: Images) -> None:
    inputs, labels = images
    rows = evaluate_attack(linear, inputs, labels, ATTACKS["fgsm"], 0.01)
    assert rows["ascended"].all()
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


def test_box_is_kept(attack: Attack, linear: nn.Module, images: Images) -> None:
    pixels = NORMALISATION.invert(images[0]).clamp(0, 1)
    inputs = NORMALISATION.apply(pixels)
    box = NORMALISATION.box(inputs)
    away_from = linear(inputs).argmax(dim=1)
    perturbed = attacked(attack, linear, inputs, away_from, 0.8, box=box)
    back = NORMALISATION.invert(perturbed)
    assert back.min() >= -1e-6
    assert back.max() <= 1 + 1e-6
    free = attacked(attack, linear, inputs, away_from, 0.8)
    assert not torch.equal(free, perturbed)
    rows = evaluate_attack(
        linear, inputs, images[1], attack, 0.8, normalisation=NORMALISATION, box=True
    )
    assert rows["success"].mean() > 0.2


@pytest.mark.parametrize("name", ["fgsm", "pgd_linf", "iterative_l2", "deepfool_l2", "ddn_l2"])
def test_the_prediction_is_attacked_whatever_the_label(
    network: nn.Module, images: Images, name: str
) -> None:
    """Right or wrong, an image changes alike; damage is about the label."""
    inputs, _ = images
    attack = ATTACKS[name]
    epsilon = 0.3
    with torch.no_grad():
        right = network(inputs).argmax(dim=1)
    some_wrong = right.clone()
    some_wrong[:12] = (some_wrong[:12] + 1) % CLASSES
    of_right = evaluate_attack(network, inputs, right, attack, epsilon, (0.05,))
    of_wrong = evaluate_attack(network, inputs, some_wrong, attack, epsilon, (0.05,))
    columns = ("adversarial_predictions", "label_attack_predictions")
    np.testing.assert_array_equal(*(of_right[column] for column in columns))
    assert 0 < of_right["success"].mean() < 1
    for column in ("success", "adversarial_predictions", "norm_linf", "norm_l2"):
        np.testing.assert_array_equal(of_wrong[column], of_right[column], err_msg=column)
    for column in ("label_attack_predictions", "adversarial_losses"):
        np.testing.assert_array_equal(of_wrong[column][12:], of_right[column][12:])
    if attack.ascends:
        # The loss of a wrong label rises as well, as an attack on the label finds by itself.
        alone = attacked(attack, network, inputs, some_wrong, radius(attack, epsilon, inputs))
        with torch.no_grad():
            expected = functional.cross_entropy(network(alone), some_wrong, reduction="none")
        np.testing.assert_allclose(of_wrong["adversarial_loss"], expected, rtol=1e-4)
        assert (of_wrong["adversarial_loss"] > of_wrong["loss"]).all()
        assert of_wrong["ascended"].all()
    else:
        assert of_wrong["ascended"].tolist() == [False] * 12 + [True] * 8
        for losses in of_wrong["adversarial_losses"][:12].T:
            np.testing.assert_allclose(losses, of_wrong["loss"][:12], rtol=1e-5)


def radius(attack: Attack, epsilon: float, inputs: Tensor) -> float:
    return epsilon if attack.norm == "linf" else epsilon * math.sqrt(inputs[0].numel())


def images_seen(network: nn.Module, images: Images, name: str) -> int:
    seen: list[int] = []
    hook = network.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    evaluate_attack(network, *images, ATTACKS[name], 0.1)
    hook.remove()
    return sum(seen)


def test_only_wrong_images_are_attacked_twice(network: nn.Module, images: Images) -> None:
    inputs, _ = images
    with torch.no_grad():
        right = network(inputs).argmax(dim=1)
    one_wrong = right.clone()
    one_wrong[3] = (one_wrong[3] + 1) % CLASSES
    passes = [images_seen(network, (inputs, labels), "pgd_linf") for labels in (right, one_wrong)]
    assert passes[1] - passes[0] == ATTACKS["pgd_linf"].steps  # type: ignore[attr-defined]


def test_the_first_order_damage_of_a_sure_network_is_not_lost_to_float32() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).double()
    with torch.no_grad():
        network[1].bias.copy_(torch.tensor([60.0, 0.0]))
    inputs, labels = torch.rand(3, 1, 2, 2), torch.zeros(3, dtype=torch.int64)
    expected = first_order(network, inputs.double(), labels, 0.1, "l2")
    found = first_order(network.float(), inputs, labels, 0.1, "l2")
    assert 0 < expected.max() < 1e-25
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=0)


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
        away_from = network(inputs).argmax(dim=1)
    batch = Batch(network, inputs, away_from, None, 0, 40)
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
        evaluate_attack(network, inputs, labels, attack, 0.1, box=True)
