"""Known answers, and what every bound must satisfy: no smaller perturbation flips a prediction."""

import math
from collections.abc import Mapping

import pandas as pd
import pytest
import torch
from torch import nn

from advdim.bounds import SOUND_BOUNDS, UnsupportedLayer, lower_bounds
from advdim.bounds.published import fully_connected_bound
from advdim.config.architectures import ResidualNetwork
from advdim.config.convolutional import ConvolutionalNetwork
from advdim.networks.architectures import ResidualBlock, residual
from advdim.networks.convolutional import convolutional
from advdim.networks.initialisation import he
from advdim.streams import stream
from advdim.tables.bounds_beside_attacks import violated
from advdim.units import Normalisation


def violations(bounds: torch.Tensor, adversarial_norms: torch.Tensor) -> list[int]:
    """The samples whose bound exceeds an adversarial norm, infinite where there is none."""
    norms = pd.DataFrame({"best_attack_l2": adversarial_norms.numpy()})
    found = violated(pd.Series(bounds.numpy()), norms)
    return list(found[found].index)


def initialised(network: nn.Module, name: str = "weights") -> nn.Module:
    """He weights, and batch-norm statistics and weights of both signs that are not the identity."""
    he(network, stream(name))
    random = stream(name, "batch norm")
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.5, 2.0),
                (module.weight.data, -0.5, 1.5),
                (module.bias.data, -0.2, 0.2),
            ):
                values.uniform_(low, high, generator=random)
    return network.eval()


def papers(padding: str, pool: str, size: int = 16) -> nn.Module:
    settings = ConvolutionalNetwork(
        layers=4, width=6, pool=pool, pool_after=[2, 4], dilation="size / 8", padding=padding,
        head="global_max",
    )  # fmt: skip
    return convolutional(settings, 3, size, 5)


NETWORKS = {
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(768, 5)),
    "fully connected": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(768, 30), nn.ReLU(), nn.Linear(30, 5)
    ),
    "lenet": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 5), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(24, 12), nn.ReLU(), nn.Linear(12, 5),
    ),
    "average pooled": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 5), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(144, 12), nn.ReLU(),
        nn.Linear(12, 5),
    ),
    "strided": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.LPPool2d(3, 2),
        nn.Flatten(), nn.Linear(64, 5),
    ),
    "maxpool, reflection": lambda: papers("reflect", "max"),
    "maxpool, zeros": lambda: papers("zeros", "max"),
    "average pool, reflection": lambda: papers("reflect", "average"),
    "maxpool, circular": lambda: papers("circular", "max"),
    "pixels left over": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 2), nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"),
        nn.MaxPool2d((2, 3)), nn.ReLU(), nn.Flatten(), nn.Linear(36, 5),
    ),
    "powers": lambda: nn.Sequential(
        nn.LPPool2d(2, 2), nn.Conv2d(3, 4, 3), nn.LPPool2d(1, 2), nn.ReLU(), nn.MaxPool2d(2, 1),
        nn.LPPool2d(3, 2), nn.Flatten(), nn.Linear(4, 5),
    ),
    "powers, windows cut": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 4), nn.ReLU(), nn.LPPool2d(2, 2, ceil_mode=True), nn.Flatten(),
        nn.Linear(196, 5),
    ),
    "units normalised": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=4), nn.ReLU(), nn.Flatten(), nn.BatchNorm1d(64),
        nn.Linear(64, 5),
    ),
    "residual": lambda: residual(
        ResidualNetwork(kind="residual", widths=[4, 6, 6], blocks=2), 3, 16, 5
    ),
    "residual, global maximum": lambda: residual(
        ResidualNetwork(
            kind="residual", widths=[4, 6], batch_norm=False, head="global_max"
        ), 3, 16, 5,
    ),
    "uneven pools": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool2d((5, 3)),
        nn.Conv2d(4, 6, 3, padding=1, padding_mode="replicate"), nn.ReLU(),
        nn.AdaptiveAvgPool2d((3, 2)), nn.Flatten(), nn.Linear(36, 5),
    ),
}  # fmt: skip


@pytest.fixture(params=NETWORKS, scope="module")
def network(request):
    return initialised(NETWORKS[request.param](), request.param)


@pytest.fixture(scope="module")
def result(network):
    return lower_bounds(network, images())


def images(count: int = 6, name: str = "images") -> torch.Tensor:
    return torch.randn(count, 3, 16, 16, generator=stream(name))


def smallest_flip(
    network: nn.Module, inputs: torch.Tensor, steps: int = 60, classes: int = 5
) -> torch.Tensor:
    """Return the l2 norm of the smallest flip that a margin descent with bisection finds, (N,)."""
    own_dtype = next(network.parameters()).dtype
    network = network.double()
    inputs = inputs.double()
    with torch.no_grad():
        clean = network(inputs).argmax(1)
    best = torch.full((len(inputs),), math.inf, dtype=torch.float64)
    for other in range(classes):
        moved = inputs.clone()
        for _ in range(steps):
            moved.requires_grad_()
            logits = network(moved)
            margin = logits.gather(1, clean[:, None])[:, 0] - logits[:, other]
            (gradient,) = torch.autograd.grad(margin.sum(), moved)
            size = gradient.flatten(1).norm(dim=1).clamp_min(1e-12)
            step = (margin.detach().clamp_min(0) + 1e-3) / size**2
            moved = (moved - step.view(-1, 1, 1, 1) * gradient).detach()
        low, high = torch.zeros(len(inputs)).double(), torch.ones(len(inputs)).double()
        with torch.no_grad():
            flips = network(moved).argmax(1) != clean
            for _ in range(40):
                middle = (low + high) / 2
                between = inputs + middle.view(-1, 1, 1, 1) * (moved - inputs)
                flipped = network(between).argmax(1) != clean
                high = torch.where(flipped, middle, high)
                low = torch.where(flipped, low, middle)
            norm = high * (moved - inputs).flatten(1).norm(dim=1)
            best = torch.where(flips, torch.minimum(best, norm), best)
    network.to(own_dtype)
    return best


def check_sound(
    bounds: Mapping[str, torch.Tensor], network: nn.Module, inputs: torch.Tensor
) -> None:
    """Fail where a flip, or a random point inside the ball, contradicts one of the bounds."""
    smallest, clean = smallest_flip(network, inputs), network(inputs).argmax(1)
    directions = torch.randn(50, *inputs.shape, generator=stream("directions"))
    for name, bound in bounds.items():
        assert bound.isfinite().all(), name
        assert (bound > 0).all(), name
        assert not len(violations(bound, smallest)), name
    largest = torch.stack(list(bounds.values())).amax(0)
    for direction in directions:
        unit = direction / direction.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        inside = inputs + (0.999 * largest).float().view(-1, 1, 1, 1) * unit
        assert torch.equal(network(inside).argmax(1), clean)


def test_every_sound_bound_is_below_every_flip(network, result):
    check_sound(result.single, network, images())
    assert torch.equal(result.sound, torch.stack(list(result.single.values())).amax(0))
    for sample, name in enumerate(result.sound_kind):
        assert result.single[name][sample] == result.sound[sample]
    assert set(result.single) <= set(SOUND_BOUNDS)


def test_an_unsound_bound_fails_the_check():
    network = initialised(NETWORKS["fully connected"]())
    unsound = 1.2 * smallest_flip(network, images())
    with pytest.raises(AssertionError):
        check_sound({"unsound": unsound}, network, images())


def test_joint_constants_are_never_worse(result):
    single = result.single
    assert (single["operator_norms"] >= single["patches"] * (1 - 1e-5)).all()
    assert (single["joint_pooling"] >= single["operator_norms"] * (1 - 1e-5)).all()


def test_a_linear_classifier_is_bounded_exactly():
    network = initialised(NETWORKS["linear"]()).double()
    inputs = images().double()
    logits, weight = network(inputs).detach(), network[1].weight.detach()
    top = logits.argmax(1)
    exact = [
        min(
            ((logits[i, top[i]] - logits[i, k]) / (weight[top[i]] - weight[k]).norm()).item()
            for k in range(5)
            if k != top[i]
        )
        for i in range(len(inputs))
    ]
    result = lower_bounds(network, inputs)
    torch.testing.assert_close(result.sound, torch.tensor(exact).double(), rtol=1e-5, atol=0)
    torch.testing.assert_close(result.published, result.sound, rtol=1e-5, atol=0)
    torch.testing.assert_close(smallest_flip(network, inputs), result.sound, rtol=1e-4, atol=1e-6)


def test_the_published_convolution_bound_is_violated():
    """A 9x9 kernel of ones on a 28x28 image: overlapping patches add up (Theorem 4.2)."""
    convolution, readout = nn.Conv2d(1, 1, 9, bias=False), nn.Linear(400, 2)
    with torch.no_grad():
        convolution.weight.fill_(1.0)
        readout.weight[0].fill_(1 / 20)
        readout.weight[1].zero_()
        # Responses are 40.5 everywhere, so the logits are 810 and 729: the margin is 81.
        readout.bias.copy_(torch.tensor([0.0, 729.0]))
    network = nn.Sequential(convolution, nn.Flatten(), readout).double().eval()
    inputs = torch.full((1, 1, 28, 28), 0.5, dtype=torch.float64)
    result = lower_bounds(network, inputs)
    exact = smallest_flip(network, inputs, classes=2)
    assert result.published.item() == pytest.approx(9.000, abs=1e-3)
    assert exact.item() == pytest.approx(1.174, abs=1e-3)
    assert result.single["patches"].item() == pytest.approx(1.000, abs=1e-3)
    assert len(violations(result.published, exact))
    assert not len(violations(result.sound, exact))


def test_the_published_fully_connected_bound_is_unsound_at_a_kink():
    """``relu(x - 1e-3)`` at 0 has J = 0, so Theorem 4.1 promises infinity; it flips at 0.0111."""
    network = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 2)).double().eval()
    with torch.no_grad():
        network[0].weight.fill_(1.0)
        network[0].bias.fill_(-1e-3)
        network[2].weight.copy_(torch.tensor([[0.0], [1.0]]))
        network[2].bias.copy_(torch.tensor([0.01, 0.0]))
    result = lower_bounds(network, torch.zeros(1, 1, dtype=torch.float64))
    assert result.published.item() == math.inf
    assert result.sound.item() == pytest.approx(0.011, rel=0.1)
    assert result.sound.item() <= 0.011 * (1 + 1e-9)


def test_the_stable_form_of_theorem_4_1():
    kappa, jacobian = torch.tensor([0.3]).double(), torch.tensor([2.0]).double()
    for second in (1e-9, 0.1, 3.0):
        root = math.sqrt(2.0**2 + 2 * second * math.sqrt(7) * 0.3)
        printed = (root - 2.0) / (second * math.sqrt(7))
        stable = fully_connected_bound(kappa, jacobian, 7, second).item()
        assert stable == pytest.approx(printed, rel=1e-5)
    assert fully_connected_bound(kappa, jacobian, 7, 0.0).item() == pytest.approx(0.15)
    assert fully_connected_bound(kappa / 0, jacobian, 7, 0.1).item() == math.inf


def test_a_tie_has_bound_zero_and_duplicate_classes_are_survived():
    network = initialised(NETWORKS["linear"]())
    with torch.no_grad():
        network[1].weight[1].copy_(network[1].weight[0])
        network[1].bias.zero_()
    result = lower_bounds(network, images(40))
    tied = (result.predictions <= 1).nonzero().flatten()
    assert len(tied)
    assert (result.sound[tied] == 0).all()
    assert not result.sound.isnan().any()


def test_radii_in_pixels_follow_from_the_normalisation():
    network = initialised(papers("reflect", "max"))
    normalisation = Normalisation((0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
    normalised = lower_bounds(network, images()).sound
    pixels = lower_bounds(network, images(), normalisation).sound
    torch.testing.assert_close(pixels, normalised * 0.2, rtol=0.05, atol=0)


def test_batches_do_not_matter():
    network = initialised(NETWORKS["lenet"]())
    one = lower_bounds(network, images(), batch_size=1)
    torch.testing.assert_close(one.sound, lower_bounds(network, images(), batch_size=6).sound)


@pytest.mark.parametrize("layer", [nn.Sigmoid(), nn.GELU(), nn.LayerNorm(5)])
def test_an_unknown_layer_is_refused_by_name(layer):
    network = nn.Sequential(nn.Flatten(), nn.Linear(768, 5), layer, nn.Linear(5, 5))
    with pytest.raises(UnsupportedLayer, match=type(layer).__name__):
        lower_bounds(network, images())


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("normed", [nn.utils.spectral_norm, nn.utils.weight_norm])
def test_a_weight_that_hooks_compute_is_refused(normed):
    network = nn.Sequential(nn.Flatten(), normed(nn.Linear(768, 8)), nn.ReLU(), nn.Linear(8, 5))
    with pytest.raises(UnsupportedLayer, match=r"^Layer type 'Linear' has hooks.*without\.$"):
        lower_bounds(network.eval(), images())


@pytest.mark.parametrize("place", ["network", "part", "block"])
@pytest.mark.parametrize("hook", ["register_forward_hook", "register_forward_pre_hook"])
def test_hooks_are_refused_since_they_change_what_a_layer_computes(place, hook):
    block = ResidualBlock(3, 3, 1, batch_norm=False)
    part = nn.Sequential(block, nn.Flatten())
    network = nn.Sequential(part, nn.Linear(768, 5)).eval()
    hooked = {"network": network, "part": part, "block": block.body}[place]
    getattr(hooked, hook)(lambda _, *values: None)
    with pytest.raises(UnsupportedLayer, match=r"^Layer type 'Sequential' has hooks"):
        lower_bounds(network, images())
