import functools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from advdim.catalogue.methods import first_order_factor
from advdim.config.training import Methods
from advdim.networks.perturbations import ascend, loss_gradient, norms, uniform_start
from advdim.streams import stream
from advdim.training import regularisers
from advdim.training.regularisers import REGULARISERS, objective


@pytest.fixture
def network():
    torch.manual_seed(0)
    # Smooth, so that first-order statements hold without kinks.
    layers = (nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Softplus(), nn.Flatten(), nn.Linear(64, 5))
    return nn.Sequential(*layers).double().eval()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(6, 2, 6, 6, generator=generator, dtype=torch.float64)
    return inputs, torch.randint(0, 5, (6,), generator=generator)


@pytest.mark.parametrize(
    ("augmented", "penalised"), [("aug_linf", "grad_l1"), ("aug_l2", "grad_l2")]
)
def test_proposition_3_dual_objectives_differ_in_second_order(network, batch, augmented, penalised):
    def difference(epsilon: float) -> float:
        return abs(
            REGULARISERS[augmented](network, *batch, epsilon).item()
            - REGULARISERS[penalised](network, *batch, epsilon).item()
        )

    differences = [difference(epsilon) for epsilon in (4e-3, 2e-3, 1e-3)]
    assert differences[0] / differences[1] == pytest.approx(4, rel=0.15)
    assert differences[1] / differences[2] == pytest.approx(4, rel=0.15)
    # A penalty of twice the strength differs in first order: the test can fail.
    doubled = [
        abs(
            REGULARISERS[augmented](network, *batch, epsilon).item()
            - REGULARISERS[penalised](network, *batch, 2 * epsilon).item()
        )
        for epsilon in (2e-3, 1e-3)
    ]
    assert doubled[0] / doubled[1] == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize("random_start", [False, True])
def test_first_order_factors(network, batch, random_start):
    settings = Methods().pgd_linf.model_copy(update={"random_start": random_start}).model_dump()
    epsilon, clean = 1e-4, REGULARISERS["none"](network, *batch).item()
    norm = norms(loss_gradient(network, *batch)[1], 1).mean().item()
    for method, own in (("grad_l1", {}), ("aug_linf", {}), ("pgd_linf", settings)):
        function = objective(method, own)
        damage = function(network, *batch, epsilon, random=stream("test")).item() - clean
        factor = first_order_factor(method, own)
        assert damage / (epsilon * norm) == pytest.approx(factor, rel=0.02), method
    # Seven steps of 0.19 epsilon do not cross the ball from every random start.
    assert factor == pytest.approx(8 / 9 if random_start else 1)


def test_cross_lipschitz_against_the_double_sum(network, batch):
    inputs, targets = batch
    jacobian = torch.stack(
        [torch.autograd.functional.jacobian(lambda x: network(x[None])[0], x) for x in inputs]
    ).flatten(2)
    classes = jacobian.shape[1]
    total = 0.0
    for sample in jacobian:
        for left in sample:
            for right in sample:
                total += (left - right).square().sum().item() / classes**2
    expected = F.cross_entropy(network(inputs), targets).item() + 0.3 * total / len(inputs)
    assert REGULARISERS["cross_lipschitz"](network, *batch, 0.3).item() == pytest.approx(expected)


@pytest.mark.parametrize(("method", "order"), [("grad_l1", 1), ("grad_l2", 2)])
def test_penalties_against_finite_differences(network, batch, method, order):
    inputs, targets = batch
    gradient = torch.zeros_like(inputs)
    step = 1e-6
    for index in range(inputs[0].numel()):
        direction = torch.zeros_like(inputs)
        direction.view(len(inputs), -1)[:, index] = step
        above, below = (
            F.cross_entropy(network(inputs + sign * direction), targets, reduction="none")
            for sign in (1, -1)
        )
        gradient.view(len(inputs), -1)[:, index] = (above - below).detach() / (2 * step)
    dimension = inputs[0].numel()
    norm = gradient.flatten(1).norm(order, dim=1).mean().item()
    expected = 0.2 / 2 * dimension ** (1 - 1 / order) * norm
    clean = F.cross_entropy(network(inputs), targets).item()
    assert REGULARISERS[method](network, *batch, 0.2).item() - clean == pytest.approx(
        expected, rel=1e-5
    )


def check_method(function, network, batch):
    """What every method must satisfy."""
    clean = F.cross_entropy(network(batch[0]), batch[1]).item()
    at_zero = function(network, *batch, 0.0).item()
    assert at_zero == pytest.approx(clean)
    small, large = (function(network, *batch, epsilon).item() for epsilon in (1e-4, 1e-2))
    assert clean <= small + 1e-12
    assert small <= large
    network.zero_grad()
    function(network, *batch, 1e-2).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    # A strength of 1e-2 stays a regularisation: no method is stronger than twice Eq. 4 in l1.
    _, gradient = loss_gradient(network, *batch)
    if function is not regularisers.cross_lipschitz:
        assert large - clean <= 1.1 * 2 * 1e-2 / 2 * norms(gradient, 1).mean().item() * 1.5


@pytest.mark.parametrize("method", REGULARISERS)
def test_every_method(method, network, batch):
    check_method(REGULARISERS[method], network, batch)


def test_an_over_strong_penalty_fails_the_check(network, batch):
    def over_strong(network, inputs, targets, epsilon):
        return regularisers.grad_l1(network, inputs, targets, 10 * epsilon)

    with pytest.raises(AssertionError):
        check_method(over_strong, network, batch)


@pytest.mark.parametrize("method", REGULARISERS)
def test_settings_reach_every_method(method, network, batch):
    configured = objective(method, getattr(Methods(), method).model_dump())
    value = configured(network, *batch, 0.01, random=stream("test"))
    assert value.isfinite()


def test_zero_gradients_are_survived(network, batch):
    with torch.no_grad():
        network[-1].weight.zero_()
    for method in ("grad_l2", "aug_l2"):
        network.zero_grad()
        REGULARISERS[method](network, *batch, 0.1).backward()
        assert all(p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("random_start", [False, True])
def test_pgd_stays_in_its_ball_and_raises_the_loss(network, batch, random_start):
    start = uniform_start(batch[0], 0.05, stream("start")) if random_start else None
    delta = ascend(network, *batch, 0.05, steps=7, relative_step=0.3, start=start)
    assert delta.abs().max() <= 0.05 * (1 + 1e-12)
    inputs, targets = batch
    assert F.cross_entropy(network(inputs + delta), targets) > F.cross_entropy(
        network(inputs), targets
    )


def test_one_step_from_the_centre_is_the_sign_of_the_gradient(network, batch):
    delta = ascend(network, *batch, 0.05, steps=1, relative_step=1.0)
    _, gradient = loss_gradient(network, *batch)
    assert torch.equal(delta, 0.05 * gradient.sign())


@pytest.mark.parametrize(("mode", "updates"), [("train", 3), ("eval", 1)])
def test_batch_norm_during_the_attack(batch, mode, updates):
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 5))
    network = network.double().train()
    pgd = functools.partial(regularisers.pgd_linf, steps=2, batch_norm_during_attack=mode)
    pgd(network, *batch, 0.1)
    assert network[1].num_batches_tracked == updates
    assert network[1].training
