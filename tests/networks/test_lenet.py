import pytest
import torch
from torch import nn

from advdim.config.lenet import LenetNetwork
from advdim.networks.build import Shape, build, load_network, save_network
from advdim.streams import stream
from advdim.units import Normalisation

CAFFE = LenetNetwork(kind="lenet")


@pytest.mark.parametrize(
    ("channels", "size", "parameters"),
    # 20 * 25 c + 20, 50 * 500 + 50, 500 * (50 t^2) + 500 and 5010, with t = 4 and 5.
    [(1, 28, 520 + 25_050 + 400_500 + 5_010), (3, 32, 1_520 + 25_050 + 625_500 + 5_010)],
)
def test_caffes_layers_and_parameters(channels, size, parameters):
    network = build(CAFFE, Shape(channels, size, 10), stream("weights"))
    kinds = [type(module).__name__ for module in network]
    assert kinds == [
        "Conv2d", "MaxPool2d", "Conv2d", "MaxPool2d", "Flatten", "Linear", "ReLU", "Linear"
    ]  # fmt: skip
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert network(torch.zeros(2, channels, size, size)).shape == (2, 10)
    assert not network[0].bias.any()
    hidden = network[5].weight
    limit = (3 / hidden.shape[1]) ** 0.5
    assert 0.999 * limit < hidden.abs().max() <= limit
    assert hidden.std().item() == pytest.approx(limit / 3**0.5, rel=0.01)


def test_one_convolution_and_a_readout():
    settings = LenetNetwork(kind="lenet", channels=[1], kernel=9, pool=1, hidden=[])
    network = build(settings, Shape(1, 28, 10), stream("weights"))
    assert [type(module) for module in network] == [nn.Conv2d, nn.Flatten, nn.Linear]
    assert network[-1].in_features == 400


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("size", [14, 16, 17, 28, 33])
def test_geometry_and_counts_match_the_built_network(size, relu):
    settings = LenetNetwork(kind="lenet", channels=[3, 4], kernel=4, relu=relu, hidden=[6, 5])
    network = build(settings, Shape(2, size, 10), stream("weights"))
    multiplied = []

    def count(module, inputs, output):
        multiplied.append(module.weight[0].numel() * output[0].numel())

    for module in network:
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    network(torch.zeros(1, 2, size, size))
    assert settings.counts(2, size)[0] == sum(multiplied)
    assert sum(isinstance(module, nn.ReLU) for module in network) == 2 + 2 * relu


@pytest.mark.parametrize(
    ("size", "says"),
    [
        (4, "convolution 1 would get a 4x4 map, smaller than its 5x5 kernel"),
        (5, "the pool after convolution 1 would get a 1x1 map, smaller than its 2x2 window"),
        (12, "convolution 2 would get a 4x4 map, smaller than its 5x5 kernel"),
        (16, None),
        (28, None),
        (32, None),
    ],
)
def test_sizes_that_do_not_fit_are_refused(size, says):
    assert CAFFE.misfit(size) == says


def test_a_stored_lenet_computes_the_same(tmp_path):
    network = build(CAFFE, Shape(1, 28, 10), stream("weights")).eval()
    unit = Normalisation((0.1,), (0.3,))
    save_network(tmp_path / "n.safetensors", network, CAFFE, Shape(1, 28, 10), unit)
    loaded, _, _ = load_network(tmp_path / "n.safetensors")
    images = torch.randn(2, 1, 28, 28, generator=stream("images"))
    torch.testing.assert_close(loaded(images), network(images))
