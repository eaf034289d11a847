import math

import pytest
import torch
from torch import nn

from advdim.config.convolutional import ConvolutionalNetwork
from advdim.measures.initialisation import (
    fill_batch_norm,
    gradient_statistics,
    logit_gradients,
    mean_statistics,
)
from advdim.networks.build import Shape, build
from advdim.networks.perturbations import loss_gradient, norms
from advdim.streams import stream


def images(count=6, size=8, channels=2):
    return torch.randn(count, channels, size, size, generator=stream("images"))


def test_a_linear_networks_gradients_are_its_weights():
    inputs, labels = images(), torch.arange(6) % 3
    network = nn.Sequential(nn.Flatten(), nn.Linear(128, 3))
    weight = network[1].weight.detach()
    statistics = gradient_statistics(network, inputs, labels)
    softmax = network(inputs).detach().softmax(1)
    of_loss = torch.stack([p @ weight - weight[k] for p, k in zip(softmax, labels, strict=True)])
    assert torch.allclose(statistics["loss_l1"], of_loss.abs().sum(1), rtol=1e-4)
    assert torch.allclose(statistics["loss_l2"], of_loss.norm(dim=1), rtol=1e-4)
    assert torch.allclose(statistics["loss_mean"], of_loss.abs().mean(1), rtol=1e-4)
    assert torch.allclose(statistics["logit_l1"], weight.abs().sum(1).mean().expand(6))
    assert torch.allclose(statistics["logit_l2"], weight.norm(dim=1).mean().expand(6))


def test_the_loss_gradient_is_that_of_one_backward_pass():
    settings = ConvolutionalNetwork(layers=2, width=4, head="global_max")
    network = build(settings, Shape(2, 8, 3), stream()).eval()
    inputs, labels = images(), torch.arange(6) % 3
    statistics = gradient_statistics(network, inputs, labels)
    _, gradient = loss_gradient(network, inputs, labels)
    for order in (1, 2):
        assert torch.allclose(statistics[f"loss_l{order}"], norms(gradient, order), rtol=1e-4)


@pytest.mark.parametrize("edge", [2, 4])
def test_average_pooling_over_a_nodes_divides_gradients_by_its_root(edge):
    inputs = images(size=32, channels=1)
    pooled = nn.Sequential(nn.AvgPool2d(edge), nn.Flatten(), nn.Linear((32 // edge) ** 2, 10))
    strided = nn.Sequential(nn.Flatten(), nn.Linear(1024, 10))
    # He-like: the variance of a weight is one over its fan-in.
    for network in (pooled, strided):
        weight = network[-1].weight
        nn.init.normal_(weight, std=1 / math.sqrt(weight.shape[1]), generator=stream(edge))
    ratio = [
        float(norms(logit_gradients(network, inputs)[1].flatten(0, 1), 2).mean())
        for network in (pooled, strided)
    ]
    assert ratio[0] / ratio[1] == pytest.approx(1 / edge, rel=0.1)


POOLED = {"pool": "average", "pool_after": [2, 4]}


@pytest.mark.parametrize(
    ("averaging", "selecting"),
    [
        ({**POOLED, "head": "flatten"}, {"strides": [1, 2, 1, 2], "head": "flatten"}),
        (
            {"strides": [1, 2, 1, 2], "head": "global_average"},
            {"strides": [1, 2, 1, 2], "head": "flatten"},
        ),
    ],
)
def test_the_predicted_dampening_is_what_fresh_networks_show(averaging, selecting):
    common = {"layers": 4, "width": 48, "padding": "circular", "batch_norm": False}
    inputs, labels = images(count=16, size=16), torch.zeros(16, dtype=torch.int64)
    measured, predicted = [], []
    for settings in (averaging, selecting):
        network = ConvolutionalNetwork(**common, **settings)
        fresh = [build(network, Shape(2, 16, 10), stream(seed)).eval() for seed in range(4)]
        norms_found = [gradient_statistics(n, inputs, labels)["logit_l2"].mean() for n in fresh]
        measured.append(float(torch.stack(norms_found).mean()))
        predicted.append(network.dampening(16))
    assert measured[0] / measured[1] == pytest.approx(predicted[0] / predicted[1], rel=0.2)
    assert predicted == [0.25, 1.0]


def test_breaking_ties_changes_a_max_pools_gradient_and_not_a_linear_maps():
    settings = ConvolutionalNetwork(
        layers=4, width=8, pool="max", pool_after=[2, 4], dilation=4, head="global_max"
    )
    network = build(settings, Shape(1, 32, 3), stream())
    inputs = images(channels=1).repeat_interleave(4, 2).repeat_interleave(4, 3)
    labels = torch.zeros(6, dtype=torch.int64)
    values = mean_statistics(network, [(inputs, labels)], 1e-4, stream("noise"))
    assert values["logit_l1_untied"] > 1.1 * values["logit_l1"]
    linear = nn.Sequential(nn.Flatten(), nn.Linear(1024, 3))
    values = mean_statistics(linear, [(inputs, labels)], 1e-4, stream("noise"))
    assert values["logit_l1_untied"] == pytest.approx(values["logit_l1"], rel=1e-5)


def test_batch_norm_statistics_are_those_of_the_images():
    network = nn.Sequential(nn.BatchNorm2d(2))
    inputs = 3 + 2 * images(count=64)
    fill_batch_norm(network, [(inputs, None)])
    assert torch.allclose(network[0].running_mean, inputs.mean((0, 2, 3)), atol=1e-5)
    assert network[0].momentum == 0.1
    assert not network.training


def test_a_last_batch_of_one_image_is_left_out_of_the_statistics():
    """Its maps of one pixel have no variance, which PyTorch refuses."""
    settings = ConvolutionalNetwork(layers=3, width=4, strides=[2, 2, 2])
    inputs = images(5)
    found = []
    for batches in (inputs.split(4), inputs[:4].split(4)):
        network = build(settings, Shape(2, 8, 3), stream("network"))
        fill_batch_norm(network, [(batch, None) for batch in batches])
        found.append(network(inputs))
    assert torch.equal(*found)
