"""Directions pushed forward against autograd's own Jacobians and second derivatives."""

import copy

import pytest
import torch
from torch import nn
from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual

from advdim.networks.low_precision import anchored, low_precision, low_precision_backward
from advdim.networks.precision import arithmetic
from advdim.networks.tangents import can_linearize, linearize
from advdim.training.regularisers import objective

LAYERS = {
    "convolution": lambda: nn.Conv2d(3, 3, 3, padding=2, dilation=2, padding_mode="reflect"),
    "strided": lambda: nn.Conv2d(3, 3, 3, stride=2, padding=1),
    "batch norm": lambda: nn.BatchNorm2d(3),
    "rectifier": nn.ReLU,
    "max pool": lambda: nn.MaxPool2d(2),
    "overlapping max pool": lambda: nn.MaxPool2d(3, stride=2, padding=1),
    "average pool": lambda: nn.AvgPool2d(2),
    "whole map's maximum": lambda: nn.AdaptiveMaxPool2d(1),
    "whole map's average": lambda: nn.AdaptiveAvgPool2d(1),
    "nothing": nn.Identity,
}


def network_with(layer: nn.Module) -> nn.Sequential:
    """A network in which the layer is neither first nor last, in float64."""
    torch.manual_seed(0)
    first = nn.Conv2d(2, 3, 3, padding=1)
    edge = layer(torch.zeros(2, 3, 6, 6)).shape[-1]
    layers = (first, nn.BatchNorm2d(3), layer, nn.Flatten(), nn.Linear(3 * edge**2, 4))
    network = nn.Sequential(*layers).double()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.running_mean)
    return network


@pytest.fixture(params=[True, False], ids=["training", "evaluation"])
def training(request):
    return request.param


@pytest.fixture
def batch():
    random = torch.Generator().manual_seed(1)
    inputs, direction = torch.randn(2, 5, 2, 6, 6, generator=random, dtype=torch.float64)
    return inputs, direction, torch.randn(5, 4, generator=random, dtype=torch.float64)


@pytest.mark.parametrize("name", LAYERS)
def test_directions_are_those_of_forward_differentiation(name, training, batch):
    network, (inputs, direction, _) = network_with(LAYERS[name]()).train(training), batch
    assert can_linearize(network)
    logits, push = linearize(network, inputs)
    with dual_level():
        expected = unpack_dual(network(make_dual(inputs, direction)))
        torch.testing.assert_close(push(direction), expected.tangent)
    torch.testing.assert_close(logits, expected.primal)


@pytest.mark.parametrize("name", LAYERS)
def test_second_derivatives_are_those_of_double_backpropagation(name, training, batch):
    network, (inputs, direction, weights) = network_with(LAYERS[name]()).train(training), batch
    inputs.requires_grad_()
    wanted = [inputs, *network.parameters()]
    _, push = linearize(network, inputs)
    ours = torch.autograd.grad((weights * push(direction)).sum(), wanted, allow_unused=True)
    (gradient,) = torch.autograd.grad((weights * network(inputs)).sum(), inputs, create_graph=True)
    theirs = torch.autograd.grad((gradient * direction).sum(), wanted, allow_unused=True)
    for left, right in zip(ours, theirs, strict=True):
        # no gradient and a gradient of zeros say the same
        none = torch.zeros(())
        left, right = (none if value is None else value for value in (left, right))
        torch.testing.assert_close(left + 0 * right, right + 0 * left)


def test_statistics_are_updated_as_by_the_network(batch):
    network = network_with(nn.ReLU()).train()
    other = copy.deepcopy(network)
    _, push = linearize(network, batch[0])
    push(batch[1])
    other(batch[0])
    for name, value in other.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name


@pytest.mark.parametrize(
    "layer",
    [nn.Softplus(), nn.BatchNorm2d(3, affine=False), nn.BatchNorm2d(3, momentum=None)],
    ids=["unknown", "no parameters", "average of all batches"],
)
def test_what_it_does_not_know_it_leaves_alone(layer):
    assert not can_linearize(network_with(layer))
    assert not can_linearize(nn.Linear(2, 3))


class Shifted(nn.Sequential):
    def forward(self, inputs):
        return 5 * super().forward(inputs - 0.5)


def hooked(*layers: nn.Module) -> nn.Sequential:
    network = nn.Sequential(*layers)
    network.register_forward_pre_hook(lambda _, inputs: (inputs[0] - 0.5,))
    return network


def with_a_hooked_layer(*layers: nn.Module) -> nn.Sequential:
    network = nn.Sequential(*layers)
    network[0].register_forward_hook(lambda _, inputs, outputs: 3 * outputs - 1)
    return network


def test_a_layer_with_a_hook_is_differentiated_as_it_is():
    network = with_a_hooked_layer(*network_with(LAYERS["rectifier"]()).float())
    assert not can_linearize(network)
    inputs, labels = torch.rand(5, 2, 6, 6), torch.arange(5) % 4
    inside = nn.Sequential(nn.Identity(), copy.deepcopy(network))
    penalised = objective("grad_l1", {})
    found, expected = (penalised(n, inputs, labels, 0.1, None) for n in (network, inside))
    assert torch.isclose(found, expected)


@pytest.mark.parametrize("made", [Shifted, hooked])
@pytest.mark.parametrize("method", ["grad_l1", "grad_l2", "cross_lipschitz"])
def test_a_sequence_that_does_more_than_its_layers_is_trained_as_it_is(made, method):
    layers = network_with(LAYERS["max pool"]()).float()
    network = made(*layers)
    inputs, labels = torch.rand(5, 2, 6, 6), torch.arange(5) % 4
    expected = nn.functional.cross_entropy(network(inputs), labels)
    assert not torch.isclose(expected, nn.functional.cross_entropy(layers(inputs), labels))
    assert torch.isclose(objective(method, {})(network, inputs, labels, 0.0, None), expected)


@pytest.mark.parametrize("made", [Shifted, hooked])
@pytest.mark.parametrize("twin", [low_precision, low_precision_backward, anchored])
def test_a_twin_does_what_such_a_sequence_does(made, twin):
    network = made(*network_with(LAYERS["max pool"]()).float()).eval()
    inputs = torch.rand(5, 2, 6, 6)
    assert torch.allclose(twin(network)(inputs), network(inputs), rtol=0.05, atol=0.05)


def test_a_first_layer_kept_in_float32_is_pushed_through_all_the_same():
    network = network_with(LAYERS["rectifier"]()).float()
    arithmetic("tf32", network)
    assert can_linearize(network)
