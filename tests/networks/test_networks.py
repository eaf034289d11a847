import math

import pytest
import torch
from torch import nn

from advdim.config.convolutional import ConvolutionalNetwork
from advdim.config.existing import ModuleNetwork
from advdim.networks.build import NetworkError, Shape, build, load_network, save_network
from advdim.streams import stream
from advdim.tensor_files import read_tensors, write_tensors
from advdim.units import Normalisation

MAXPOOL8 = ConvolutionalNetwork(
    layers=8, pool="max", pool_after=[2, 4, 6, 8], dilation="size / 32", head="global_max"
)
STRIDED6 = ConvolutionalNetwork(layers=6, strides=[1, 2, 2, 2, 2, 2])


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_parameter_count_is_the_same_at_every_size():
    counts = {
        parameters(build(MAXPOOL8, Shape(3, size, 10), stream())) for size in (32, 64, 128, 256)
    }
    assert counts == {261_962}


def test_strided6_ends_at_one_pixel():
    network = build(STRIDED6, Shape(3, 32, 10), stream())
    assert network[:-2](torch.zeros(2, 3, 32, 32)).shape == (2, 64, 1, 1)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_dilation_keeps_the_receptive_fields_share_of_the_image(size):
    # Average pools, as a max pool's gradient shows its winner only; up to the second pool, where
    # the field is still smaller than the image.
    settings = MAXPOOL8.model_copy(update={"width": 2, "pool": "average"})
    features = build(settings, Shape(1, size, 10), stream())[:12].eval()
    with torch.no_grad():
        for module in features.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.fill_(1.0)
    inputs = torch.ones(1, 1, size, size, requires_grad=True)
    output = features(inputs)
    edge = output.shape[-1]
    (gradient,) = torch.autograd.grad(output[0, 0, edge // 2, edge // 2], inputs)
    rows = gradient[0, 0].abs().sum(1).nonzero().flatten()
    # Two layers of 3x3 before the first pool and two behind it, and 4 pixels for the two pools.
    field = 12 * (size // 32) + 4
    assert rows.max() - rows.min() + 1 == field
    assert field / size == pytest.approx(12 / 32, abs=4 / 32)


def test_he_initialisation():
    network = build(STRIDED6, Shape(3, 32, 10), stream("weights"))
    convolution, linear = network[3], network[-1]
    assert convolution.weight.std().item() == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.02)
    assert linear.weight.std().item() == pytest.approx(math.sqrt(1 / 64), rel=0.1)
    assert not convolution.bias.any()
    assert not linear.bias.any()


def test_initialisation_depends_on_its_stream_alone():
    one, same, other = (
        build(STRIDED6, Shape(3, 32, 10), stream(name)).state_dict() for name in ("a", "a", "b")
    )
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not torch.equal(one["0.weight"], other["0.weight"])


@pytest.mark.parametrize("pool", ["max", "average", "strided"])
@pytest.mark.parametrize("padding", ["reflect", "zeros", "circular"])
def test_files_bring_the_network_back(tmp_path, pool, padding):
    settings = ConvolutionalNetwork(
        layers=2, width=3, pool=pool, pool_after=[2], padding=padding, head="global_average"
    )
    shape, normalisation = Shape(1, 8, 4), Normalisation((0.5,), (0.2,))
    network = build(settings, shape, stream("weights")).eval()
    save_network(tmp_path / "network.safetensors", network, settings, shape, normalisation)
    loaded, *rest = load_network(tmp_path / "network.safetensors")
    inputs = torch.randn(3, 1, 8, 8)
    assert torch.equal(loaded(inputs), network(inputs))
    assert rest == [shape, normalisation]


def test_a_truncated_network_is_named(tmp_path):
    path = tmp_path / "network.safetensors"
    network = build(STRIDED6, Shape(3, 32, 10), stream())
    save_network(path, network, STRIDED6, Shape(3, 32, 10), Normalisation((0.5,), (0.2,)))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(NetworkError, match=r"network\.safetensors"):
        load_network(path)


class OwnNetwork(nn.Sequential):
    def __init__(self, channels: int, size: int, classes: int, width: int = 5) -> None:
        super().__init__(
            nn.Flatten(), nn.Linear(channels * size**2, width), nn.ReLU(), nn.Linear(width, classes)
        )


class WrongLogits(nn.Module):
    def __init__(self, channels: int, size: int, classes: int) -> None:
        super().__init__()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs.mean((2, 3))


def own(name: str, **arguments: object) -> ModuleNetwork:
    return ModuleNetwork(kind="module", module=f"{__name__}:{name}", arguments=arguments)


def test_an_own_network_by_import_path(tmp_path):
    settings = own("OwnNetwork", width=7)
    network = build(settings, Shape(3, 8, 4), stream("weights"))
    again = build(settings, Shape(3, 8, 4), stream("weights"))
    assert network[1].out_features == 7
    assert torch.equal(network[1].weight, again[1].weight)
    path = tmp_path / "network.safetensors"
    save_network(path, network, settings, Shape(3, 8, 4), Normalisation((0.5,) * 3, (0.2,) * 3))
    assert torch.equal(load_network(path)[0][3].weight, network[3].weight)


@pytest.mark.parametrize(
    ("described", "says"),
    [
        ({"module": "no_such_module:Own"}, "cannot be built: module 'no_such_module' cannot be"),
        ({"arguments": {"width": 6}}, "do not fit its network: size mismatch for"),
    ],
)
def test_a_network_whose_code_is_gone_or_another_is_named_in_a_sentence(tmp_path, described, says):
    settings, path = own("OwnNetwork"), tmp_path / "network.safetensors"
    network = build(settings, Shape(3, 8, 4), stream())
    save_network(path, network, settings, Shape(3, 8, 4), Normalisation((0.5,) * 3, (0.2,) * 3))
    tensors, description = read_tensors(path)
    description["network"] |= described
    write_tensors(path, tensors, description)
    with pytest.raises(NetworkError, match=says) as raised:
        load_network(path)
    assert "network.safetensors" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (own("Missing"), "cannot be imported"),
        (own("OwnNetwork", depth=3), "depth"),
        (own("WrongLogits"), r"not to logits of shape \(2, 10\)"),
    ],
)
def test_an_own_network_that_does_not_fit_is_explained(settings, says):
    with pytest.raises(NetworkError, match=says):
        build(settings, Shape(3, 8, 10), stream())
