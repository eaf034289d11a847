"""Networks at the edge of what has a bound: constant, not finite, and beyond what a bound takes."""

import math

import pytest
import torch
from torch import nn

from advdim.bounds import Conventions, UnsupportedLayer, lower_bounds, prepare
from advdim.bounds.balancing import balance
from advdim.bounds.constants_and_margins import network_constants
from advdim.bounds.from_torch import read_layers
from advdim.bounds.layers import forward
from advdim.config.architectures import ResidualNetwork
from advdim.networks.architectures import ResidualBlock, residual
from advdim.stages.bounds import _parts
from tests.bounds.test_bounds import check_sound, images, initialised

SHAPE = (3, 16, 16)


def two_convolutions() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(4),
        nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
        nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 3),
    ).eval()  # fmt: skip


def one_hidden() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(768, 9), nn.ReLU(), nn.Linear(9, 3)).eval()


def residual_blocks() -> nn.Sequential:
    settings = ResidualNetwork(kind="residual", widths=[4, 6], batch_norm=True)
    return initialised(residual(settings, 3, 16, 5), "blocks")


@pytest.mark.parametrize("factor", [0.0, 1e-35, 1e-12, 1e12, 1e35])
@pytest.mark.parametrize("index", [0, 4, 8])
def test_balancing_does_as_well_at_every_scale_of_a_layer(index, factor):
    network = two_convolutions().double()
    expected = factor * network_constants(balance(read_layers(network, SHAPE))).plain_reach[-1]
    with torch.no_grad():
        network[index].weight *= factor
    scaled = read_layers(network, SHAPE)
    balanced = balance(scaled)
    inputs = images().double()
    torch.testing.assert_close(forward(balanced, inputs)[-1], forward(scaled, inputs)[-1])
    product = network_constants(balanced).plain_reach[-1]
    assert product == pytest.approx(expected, rel=1e-4, abs=0)


@pytest.mark.parametrize(
    ("network", "constant"),
    [
        (two_convolutions, 0), (two_convolutions, 1), (two_convolutions, 4),
        (two_convolutions, 5), (two_convolutions, 8), (two_convolutions, 10),
        (one_hidden, 1), (one_hidden, 3),
    ],
)  # fmt: skip
@pytest.mark.parametrize("second_derivative", [0.0, 0.1])
def test_a_constant_network_has_no_adversarial(network, constant, second_derivative):
    network = network()
    with torch.no_grad():
        network[constant].weight.zero_()
    conventions = Conventions(second_derivative=second_derivative)
    result = lower_bounds(network, images(), conventions=conventions)
    assert len(set(network(100 * images()).argmax(1).tolist())) == 1
    for name, bound in result.single.items():
        assert (bound == math.inf).all(), name
    # What bends can move by Theorem 4.1 even where its Jacobian is zero.
    assert ((result.published == math.inf) | (result.published > 0) & (second_derivative > 0)).all()


@pytest.mark.parametrize("network", [two_convolutions, one_hidden])
def test_a_tie_of_a_constant_network_has_bound_zero(network):
    network = network()
    with torch.no_grad():
        for parameter in network[-1].parameters():
            parameter.zero_()
    result = lower_bounds(network, images())
    for name, bound in {**result.single, "published": result.published}.items():
        assert (bound == 0).all(), name


def test_a_class_that_no_input_reaches_does_not_hide_the_others():
    network = one_hidden()
    with torch.no_grad():
        network[3].weight[2] = network[3].weight[1]
        network[3].bias.copy_(torch.tensor([0.0, 0.3, 0.0]))
    two = nn.Sequential(*network[:3], nn.Linear(9, 2)).eval()
    with torch.no_grad():
        two[3].weight.copy_(network[3].weight[:2])
        two[3].bias.copy_(network[3].bias[:2])
    bounded, expected = (lower_bounds(net, images()).single for net in (network, two))
    for name in ("relaxation", "kink"):
        torch.testing.assert_close(bounded[name], expected[name], rtol=1e-5, atol=0)


def test_residual_bodies_of_zero_pass_their_input_on():
    network = residual_blocks()
    with torch.no_grad():
        for block in network:
            if isinstance(block, ResidualBlock):
                block.body[-1].weight.zero_()
    single = lower_bounds(network, images()).single
    check_sound(single, network, images())
    assert (single["local"] > 1.2 * single["operator_norms"]).all()


SIGNED = [
    [],
    [nn.Conv2d(3, 3, 3)],
    [nn.ReLU(), nn.Conv2d(3, 3, 3)],
    [nn.ReLU(), nn.BatchNorm2d(3)],
    [nn.Identity(), nn.MaxPool2d(2)],
]
NOT_NEGATIVE = [
    [nn.ReLU()],
    [nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Dropout()],
    [nn.ReLU(), nn.AvgPool2d(2), nn.ReflectionPad2d(1), nn.MaxPool2d(2)],
    [ResidualBlock(3, 3, 1, batch_norm=True)],
]


def pooled(before: list[nn.Module], p: float) -> nn.Module:
    body = nn.Sequential(*before, nn.LPPool2d(p, 2), nn.Flatten()).eval()
    features = body(torch.ones(1, 3, 16, 16)).numel()
    return initialised(body.append(nn.Linear(features, 5)))


@pytest.mark.parametrize("before", SIGNED)
@pytest.mark.parametrize("p", [3, 1.5])
def test_odd_powers_of_values_of_both_signs_are_refused(before, p):
    with pytest.raises(UnsupportedLayer, match=rf"LPPool2d with p = {p:g} .*ReLU.*even p\.$"):
        lower_bounds(pooled(before, p), images())


@pytest.mark.parametrize("before", NOT_NEGATIVE)
def test_odd_powers_behind_a_rectifier_are_bounded(before):
    network = pooled(before, 3)
    check_sound(lower_bounds(network, images(2)).single, network, images(2))


def test_an_odd_power_would_break_the_bound():
    """A sum of cubes near zero: a norm moves as far as its values, this cube root ten times."""
    pool = nn.LPPool2d(3, 2).double()
    values = torch.tensor([[[[1 + 1e-6, -1.0], [0.0, 0.0]]]], dtype=torch.float64)
    moved = values + torch.tensor([[[[1e-3, 0.0], [0.0, 0.0]]]])
    assert float(pool(moved) - pool(values)) > 10 * 1e-3


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("network", "parameter", "layer"),
    [
        (two_convolutions, "4.weight", "Conv2d"),
        (two_convolutions, "5.running_mean", "BatchNorm2d"),
        (two_convolutions, "8.bias", "Linear"),
        (residual_blocks, "2.body.0.weight", "Conv2d"),
    ],
)
def test_weights_that_are_not_finite_are_refused(network, parameter, layer, value):
    network = network()
    network.state_dict()[parameter].view(-1)[0] = value
    with pytest.raises(
        UnsupportedLayer, match=rf"^Layer type '{layer}' has a weight of -?(nan|inf)"
    ):
        lower_bounds(network, images())


def test_logits_that_are_not_finite_are_refused():
    network = two_convolutions()
    with pytest.raises(ValueError, match=r"^The network yields a logit of nan; .*finite logits\.$"):
        lower_bounds(network, images().fill_(math.nan))
    with torch.no_grad():
        network[8].weight *= 1e30
        network[10].weight *= 1e30
    with pytest.raises(ValueError, match=r"^The network yields a logit of (nan|-?inf);"):
        lower_bounds(network, images())


def test_kinds_that_do_not_apply_are_left_out(caplog):
    network, inputs = prepare(two_convolutions(), SHAPE), images(8)
    result = lower_bounds(network, inputs, kinds=["relaxation", "patches"])
    assert list(result.single) == ["patches"]
    limits = {"patches": 2, "kink": 8}
    parts = list(_parts(network, inputs, limits, Conventions()))
    assert [(first, len(part.predictions)) for first, part in parts] == [(0, 2), (2, 0)]
    assert "kink" in caplog.text
    none = lower_bounds(network, inputs, kinds=["kink"])
    assert none.single == {}
    for values in (none.predictions, none.published, none.sound, none.sound_kind):
        assert len(values) == 0


@pytest.mark.parametrize("kinds", [["kinks"], ["kinks", "patches"]])
def test_unknown_kinds_are_refused_beside_known_ones(kinds):
    with pytest.raises(ValueError, match=r"^Unknown bounds kinks; known are patches, "):
        lower_bounds(two_convolutions(), images(), kinds=kinds)


def test_no_kind_at_all_is_refused():
    with pytest.raises(ValueError, match=r"^No bounds are asked for; known are patches, "):
        lower_bounds(two_convolutions(), images(), kinds=[])
