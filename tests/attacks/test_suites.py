"""The adapters against the libraries called directly, on the same network and images."""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from dataclasses import replace

import foolbox
import pytest
import torch
import torchattacks
from foolbox import attacks as foolbox_attacks
from torch import Tensor, nn

from advdim.attacks.autoattack import AutoAttack
from advdim.attacks.evaluate import evaluate_attack
from advdim.attacks.foolbox_suite import BoundaryAttack, library_randomness, nearest_other
from advdim.attacks.registry import ATTACKS
from advdim.networks.perturbations import norms
from advdim.units import Normalisation

from .conftest import attacked

Images = tuple[Tensor, Tensor]
UNBOUNDED = (-math.inf, math.inf)
FIXED = {
    "fgsm": foolbox_attacks.LinfFastGradientAttack,
    "gradient_l2": foolbox_attacks.L2FastGradientAttack,
    "iterative_linf": foolbox_attacks.LinfBasicIterativeAttack,
    "iterative_l2": foolbox_attacks.L2BasicIterativeAttack,
}
MINIMAL = {
    "deepfool_l2": foolbox_attacks.L2DeepFoolAttack,
    "deepfool_linf": foolbox_attacks.LinfDeepFoolAttack,
    "ddn_l2": foolbox_attacks.DDNAttack,
}


def predict(network: nn.Module, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        return network(inputs).argmax(dim=1)


def test_of_a_librarys_warnings_that_of_sums_without_an_order_is_heard(
    network: nn.Module, images: Images
) -> None:
    batch = next(ATTACKS["fgsm"].batches(network, *images, 0, 64, None))
    unordered = "put_ does not have a deterministic implementation"
    with warnings.catch_warnings(record=True) as seen, library_randomness(batch):
        warnings.warn("this function is slow", stacklevel=1)
        warnings.warn(unordered, stacklevel=1)
    assert [str(warning.message) for warning in seen] == [unordered]


@pytest.mark.parametrize("name", sorted(FIXED))
@pytest.mark.parametrize("share", [0.3, 0.42])
def test_fixed_attacks_equal_foolbox(
    network: nn.Module, images: Images, name: str, share: float
) -> None:
    inputs, labels = images
    clean = predict(network, inputs)
    attack = ATTACKS[name]
    epsilon = share if attack.norm == "linf" else share * math.sqrt(192)
    own = attacked(attack, network, inputs, clean, epsilon)
    model = foolbox.PyTorchModel(network, bounds=UNBOUNDED)
    _, theirs, success = FIXED[name]()(model, inputs, clean, epsilons=epsilon)
    assert torch.equal(predict(network, own), predict(network, theirs))
    # Rounding in float32 grows with the threshold.
    torch.testing.assert_close(own, theirs, rtol=0, atol=1e-6 * max(2, epsilon))
    rows = evaluate_attack(network, inputs, labels, attack, share)
    assert rows["success"][:, 0].tolist() == success.tolist()


@pytest.mark.parametrize("name", sorted(MINIMAL))
def test_minimal_attacks_equal_foolbox(network: nn.Module, images: Images, name: str) -> None:
    inputs, labels = images
    clean = predict(network, inputs)
    attack = ATTACKS[name]
    epsilon = 0.3 if attack.norm == "linf" else 0.3 * math.sqrt(192)
    model = foolbox.PyTorchModel(network, bounds=UNBOUNDED)
    raw, clipped, success = MINIMAL[name]()(model, inputs, clean, epsilons=[None, epsilon])
    rows = evaluate_attack(network, inputs, labels, attack, 0.3)
    assert rows["success"][:, 0].tolist() == success[1].tolist()
    assert rows["adversarial_prediction"].tolist() == predict(network, clipped[1]).tolist()
    theirs = norms(raw[0] - inputs, attack.norm)
    # foolbox reports its result before clipping, the table the smallest adversarial of the two
    theirs = torch.where(success[1] & (theirs > epsilon), epsilon, theirs)
    found = torch.from_numpy(rows[f"norm_{attack.norm}"])
    assert not found.isnan().any()
    torch.testing.assert_close(found, theirs, rtol=1e-4, atol=0)


def test_boundary_attack_equals_foolbox_from_the_same_start(
    network: nn.Module, images: Images
) -> None:
    inputs, _ = images
    clean = predict(network, inputs)
    library = foolbox_attacks.BoundaryAttack(steps=300, update_stats_every_k=1)
    attack = replace(ATTACKS["boundary_l2"], make=lambda: library)  # type: ignore[call-arg]
    assert isinstance(attack, BoundaryAttack)
    batch = next(attack.batches(network, inputs, clean, 3, 64, None))
    own = attack.minimise(batch)
    starts = nearest_other(batch)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        theirs = library.run(
            foolbox.PyTorchModel(network, bounds=UNBOUNDED), inputs, clean, starting_points=starts
        )
    assert torch.equal(own, theirs)
    before, after = norms(starts - inputs, "l2"), norms(own - inputs, "l2")
    assert (after <= before).all()
    assert after.mean() < 0.99 * before.mean()


class Pixels(nn.Module):
    """A network on pixels, as a user of torchattacks would wrap it."""

    def __init__(self, network: nn.Module, normalisation: Normalisation) -> None:
        super().__init__()
        self.network, self.normalisation = network, normalisation

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network(self.normalisation.apply(pixels))


@pytest.mark.parametrize(("name", "norm"), [("autoattack_linf", "Linf"), ("autoattack_l2", "L2")])
def test_autoattack_equals_torchattacks_on_pixels(
    network: nn.Module, images: Images, name: str, norm: str
) -> None:
    normalisation = Normalisation((0.5, 0.45, 0.4), (0.2, 0.2, 0.2))
    pixels = normalisation.invert(images[0]).clamp(0, 1)
    inputs, labels = normalisation.apply(pixels), images[1]
    clean = predict(network, inputs)
    share = 0.32 if norm == "Linf" else 0.3 * math.sqrt(192)
    direct = torchattacks.AutoAttack(
        Pixels(network, normalisation).eval(), norm=norm, eps=0.2 * share, n_classes=5, seed=11
    )
    for member in direct._autoattack.attacks:
        if hasattr(member, "n_queries"):
            member.n_queries = 200
        if hasattr(member, "steps"):
            member.steps = 10
    with torch.random.fork_rng(), contextlib.redirect_stdout(io.StringIO()):
        theirs = normalisation.apply(direct(pixels, clean))
    attack = ATTACKS[name]
    assert isinstance(attack, AutoAttack)
    box = normalisation.box(inputs)
    attack = replace(attack, steps=10, queries=200)
    own = attacked(attack, network, inputs, clean, share, seed=11, box=box)
    assert torch.equal(predict(network, own), predict(network, theirs))
    changed = predict(network, own) != clean
    assert 0 < changed.sum() < len(changed)
    sizes = [norms(perturbed - inputs, attack.norm) for perturbed in (own, theirs)]
    torch.testing.assert_close(*sizes, rtol=1e-4, atol=1e-5)
    rows = evaluate_attack(
        network, inputs, labels, attack, share if norm == "Linf" else 0.3,
        normalisation=normalisation, box=True, seed=11,
    )  # fmt: skip
    assert rows["success"][:, 0].tolist() == changed.tolist()
