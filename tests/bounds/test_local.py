"""The local bound's parts: the cost of kinks against a grid, the search against a full scan."""

import pytest
import torch

from advdim.bounds import lower_bounds
from advdim.bounds.constants_and_margins import analyse, network_constants
from advdim.bounds.from_torch import read_layers
from advdim.bounds.linearisation import linearise
from advdim.bounds.local import MULTIPLIERS, Pairs, _bend_cost, _cost, _gather, _largest_radius
from advdim.bounds.sound import joint_pooling
from advdim.streams import stream
from tests.bounds.test_bounds import NETWORKS, images, initialised


@pytest.mark.parametrize("choices", [2, 70])
def test_the_cost_of_kinks_is_the_maximum_over_every_change(choices):
    random = stream("bend", choices)
    slopes = torch.rand(2, choices, 5, dtype=torch.float64, generator=random)
    gaps = torch.rand(2, choices, 5, dtype=torch.float64, generator=random)
    caps = torch.rand(5, dtype=torch.float64, generator=random) + 0.5
    ones = torch.ones(2, dtype=torch.float64)
    pairs = Pairs([], [slopes], [gaps], [caps], [ones[:, None][:1]], [1.5 * ones], [ones], [ones])
    radius = torch.tensor([0.7, 2.0], dtype=torch.float64)
    multiplier = torch.full((2,), 0.25, dtype=torch.float64)
    cost, _ = _bend_cost(pairs, 0, radius, [multiplier])
    for pair in range(2):
        curvature = 0.25 / float(radius[pair])
        expected = curvature * (1.5 * float(radius[pair])) ** 2 / 2
        for unit in range(5):
            change = torch.linspace(0, float(caps[unit] * radius[pair]), 20_001).double()
            gain = slopes[pair, :, unit, None] * change - gaps[pair, :, unit, None]
            expected += max(0.0, float((gain - curvature / 2 * change**2).max()))
        assert cost[pair].item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["lenet", "strided", "maxpool, zeros"])
def test_the_search_ends_where_the_last_class_is_certified(name):
    layers = read_layers(initialised(NETWORKS[name](), name), (3, 16, 16))
    analysis = analyse(layers, network_constants(layers), images().double())
    start = joint_pooling(analysis)
    linearisation = linearise(analysis, 0.2 * start)
    radius = _largest_radius(analysis, linearisation, start)
    assert (radius >= start).all()
    classes, samples = torch.isfinite(analysis.margins.T).nonzero(as_tuple=True)
    pairs = _gather(linearisation, classes, samples)
    margins = analysis.margins.T[classes, samples]
    certified = _cost(pairs, radius[samples])[0] < margins
    # Where nothing was gained, the start stands on its own certificate.
    assert certified[(radius > start)[samples]].all()
    beyond = _cost(pairs, 1.02 * radius[samples])[0] < margins
    for sample in range(len(radius)):
        assert not beyond[samples == sample].all()


def test_few_multipliers_lose_little():
    network = initialised(NETWORKS["lenet"](), "lenet")
    layers = read_layers(network, (3, 16, 16))
    analysis = analyse(layers, network_constants(layers), images().double())
    linearisation = linearise(analysis, 0.2 * joint_pooling(analysis))
    classes, samples = torch.isfinite(analysis.margins.T).nonzero(as_tuple=True)
    pairs = _gather(linearisation, classes, samples)
    radius = 3 * joint_pooling(analysis)[samples]
    full, chosen = _cost(pairs, radius)
    near, _ = _cost(pairs, radius, chosen)
    torch.testing.assert_close(near, full)
    elsewhere, _ = _cost(pairs, radius, [torch.zeros_like(c) for c in chosen])
    assert (elsewhere >= full * (1 - 1e-12)).all()
    assert max(int(c.max()) for c in chosen) < len(MULTIPLIERS)


def test_the_local_bound_gains_on_the_norms_alone():
    single = lower_bounds(initialised(NETWORKS["lenet"](), "lenet"), images()).single
    assert (single["local"] > 1.2 * single["joint_pooling"]).all()
