"""Convolutions that round as other hardware does, against sums in float64, and whole trainings."""

import pytest
import torch

from advdim.config import load
from advdim.data.prepare import prepare
from advdim.networks.build import Shape, build
from advdim.streams import stream
from advdim.training.loop import Trainer
from advdim.training.regularisers import objective
from tests.benchmarks import test_precision_damage

CONFIG = {
    **test_precision_damage.CONFIG,
    "training": {"epochs": 1, "batch_size": 32, "measurement": {"images": 8, "steps": 1}},
}


@pytest.fixture
def rounding(benchmark_module):
    return benchmark_module("rounding")


def rounded_to(values, bits):
    """Round by numbers instead of by bits."""
    mantissa, exponent = torch.frexp(values.double())
    return torch.ldexp((mantissa * 2 ** (bits + 1)).round(), exponent - bits - 1)


@pytest.mark.parametrize("bits", [7, 10])
def test_gradients_are_those_of_rounded_factors(rounding, bits):
    random = torch.Generator().manual_seed(0)
    layer = torch.nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect", dilation=1)
    maps = torch.randn(4, 2, 6, 5, generator=random).requires_grad_()
    cotangent = torch.randn(4, 3, 6, 5, generator=random)
    rule = rounding.Rule(bits)
    twin = rounding.RoundedConvolution(layer, rule, rule, learns=True)
    twin(maps).backward(cotangent)

    exact = rounded_to(maps.detach(), bits).requires_grad_()
    weight = rounded_to(layer.weight.detach(), bits).requires_grad_()
    padded = torch.nn.functional.pad(exact, (1, 1, 1, 1), mode="reflect")
    outputs = torch.einsum("nchwij,ocij->nohw", padded.unfold(2, 3, 1).unfold(3, 3, 1), weight)
    outputs.backward(rounded_to(cotangent, bits))
    torch.testing.assert_close(layer.weight.grad.double(), weight.grad, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(maps.grad.double(), exact.grad, rtol=1e-5, atol=1e-5)
    # what the layer adds is not rounded
    values = twin(maps).detach().double() - layer.bias.detach().double().view(-1, 1, 1)
    torch.testing.assert_close(values, outputs.detach(), rtol=1e-5, atol=1e-5)


def weights(rounding, precision):
    """Train a network of pools, whose training attacks round; return its weights."""
    config = load(CONFIG)
    pixels, _ = prepare(config.datasets["digits"], "digits", 16)
    network = build(config.networks["maxpool4"], Shape(1, 16, 10), stream("network"))
    settings = config.training_of("digits", "maxpool4")
    augmentation = config.datasets["digits"].augmentation
    method = objective("pgd_linf", config.methods.pgd_linf.model_dump())
    trainer = Trainer(network, pixels, method, 0.05, 0.1, settings, augmentation, ("rounded",))
    if precision:
        rounding.let_round(trainer, precision)
    trainer.train()
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_trainings_round_as_they_say(rounding):
    plain = weights(rounding, None)
    assert torch.equal(weights(rounding, "float32"), plain)
    found = {}
    for precision in ("tf32", "bfloat16_backward", "anchored", "bfloat16"):
        found[precision] = float((weights(rounding, precision) - plain).norm() / plain.norm())
    assert all(0 < distance < 0.2 for distance in found.values())
    assert found["tf32"] < found["bfloat16"]
