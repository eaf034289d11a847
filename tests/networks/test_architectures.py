import pytest
import torch
from pydantic import TypeAdapter
from torch import nn

from advdim.config.network import AnyNetwork
from advdim.networks.build import Shape, build, load_network, save_network
from advdim.networks.initialisation import initialise
from advdim.streams import stream
from advdim.units import Normalisation

SETTINGS = {
    "fully_connected": {"width": 16},
    "residual": {"widths": [4, 8]},
    "vision_transformer": {"patches": 4, "width": 8, "heads": 2},
    "mixer": {"patches": 4, "width": 8},
}


def settings_of(kind, **more):
    return TypeAdapter(AnyNetwork).validate_python({"kind": kind, **SETTINGS[kind], **more})


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("scheme", ["he", "glorot", "orthogonal"])
def test_weights_come_from_the_stream_alone_and_survive_storage(kind, scheme, tmp_path):
    settings, shape = settings_of(kind, initialisation=scheme), Shape(3, 16, 5)
    network = build(settings, shape, stream(1)).eval()
    torch.rand(3)
    inputs = torch.randn(2, 3, 16, 16, generator=stream("inputs"))
    expected = network(inputs)
    assert expected.shape == (2, 5)
    assert torch.equal(build(settings, shape, stream(1)).eval()(inputs), expected)
    assert not torch.allclose(build(settings, shape, stream(2)).eval()(inputs), expected)
    save_network(tmp_path / "n.safetensors", network, settings, shape, Normalisation((0,), (1,)))
    assert torch.equal(load_network(tmp_path / "n.safetensors")[0](inputs), expected)


@pytest.mark.parametrize(("scheme", "deviation"), [("he", 0.1), ("glorot", (2 / 300) ** 0.5)])
def test_weights_have_the_deviation_of_their_scheme(scheme, deviation):
    network = nn.Sequential(nn.Linear(200, 100), nn.ReLU(), nn.Linear(100, 2))
    initialise(network, stream(), scheme)
    assert float(network[0].weight.detach().std()) == pytest.approx(deviation, rel=0.03)


def test_orthogonal_rows_have_the_gain_of_relu():
    network = nn.Sequential(nn.Linear(200, 100), nn.ReLU(), nn.Linear(100, 2))
    initialise(network, stream(), "orthogonal")
    weight = network[0].weight
    assert torch.allclose(weight @ weight.T, 2 * torch.eye(100), atol=1e-4)


@pytest.mark.parametrize("kind", ["vision_transformer", "mixer"])
def test_images_that_do_not_divide_into_patches_misfit(kind):
    assert "4 patches" in settings_of(kind).misfit(18)
    assert settings_of(kind).misfit(16) is None


def test_the_predicted_dampening_follows_the_average_that_a_network_ends_in():
    for size in (16, 32, 64):
        assert settings_of("residual").dampening(size) == 2 / size
        assert settings_of("residual", head="global_max").dampening(size) == 1
        assert settings_of("mixer").dampening(size) == 1 / 4
        assert settings_of("fully_connected").dampening(size) == 1


def test_a_residual_network_can_end_in_its_largest_values():
    network = build(settings_of("residual", head="global_max"), Shape(3, 16, 5), stream(1)).eval()
    inputs = torch.randn(2, 3, 16, 16, generator=stream("inputs"))
    features = network[:-3](inputs)
    assert torch.allclose(network(inputs), network[-1](features.amax((2, 3))), atol=1e-6)
