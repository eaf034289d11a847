"""Certified norms against the explicit matrix's, for random kernels, strides and paddings."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from advdim.bounds.operator_norms import (
    convolution_norm,
    dense_norm,
    gram_norm,
    lipschitz,
    patch_norm,
)
from advdim.bounds.reading import read_layers


def explicit_norm(module: nn.Module, shape: tuple[int, ...]) -> float:
    """Return the exact spectral norm of a linear module, without its bias."""
    module = module.double()
    zero = module(torch.zeros(1, *shape, dtype=torch.float64))
    basis = torch.eye(int(torch.tensor(shape).prod()), dtype=torch.float64).view(-1, *shape)
    matrix = (module(basis) - zero).flatten(1)
    return float(torch.linalg.matrix_norm(matrix, 2))


def layers_of(module: nn.Module, shape: tuple[int, ...]):
    outputs = module.double()(torch.zeros(1, *shape, dtype=torch.float64)).flatten(1).shape[1]
    network = nn.Sequential(module, nn.ReLU(), nn.Flatten(), nn.Linear(outputs, 2)).double().eval()
    layers = read_layers(network, shape)
    kinds = [type(layer).__name__ for layer in layers]
    return layers[: kinds.index("Relu")]


@settings(max_examples=40, deadline=None)
@given(
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 3),
    channels=st.integers(1, 3),
    outputs=st.integers(1, 4),
    size=st.integers(5, 9),
    padded=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_convolutions(kernel, stride, dilation, channels, outputs, size, padded, seed):
    if dilation * (kernel - 1) + 1 > size:
        return
    torch.manual_seed(seed)
    padding = dilation * (kernel // 2) if padded else 0
    module = nn.Conv2d(channels, outputs, kernel, stride=stride, dilation=dilation, padding=padding)
    exact = explicit_norm(module, (channels, size, size))
    (layer,) = layers_of(module, (channels, size, size))
    assert exact <= convolution_norm(layer) <= patch_norm(layer) * (1 + 1e-9)


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_reflection_padded_convolutions(dilation, stride):
    torch.manual_seed(dilation)
    module = nn.Conv2d(
        2, 3, 3, stride=stride, padding=dilation, dilation=dilation, padding_mode="reflect"
    )
    exact = explicit_norm(module, (2, 8, 8))
    bound = 1.0
    for layer in layers_of(module, (2, 8, 8)):
        bound *= lipschitz(layer)
    assert exact <= bound <= 4 * exact


@pytest.mark.parametrize("pool", [nn.AvgPool2d(2), nn.AvgPool2d(3, 1), nn.AvgPool2d(3, 2, 1)])
def test_average_pools_are_exact(pool):
    (layer,) = layers_of(pool, (2, 8, 8))
    assert lipschitz(layer) == pytest.approx(explicit_norm(pool, (2, 8, 8)), rel=1e-5)


@pytest.mark.parametrize(
    "pool", [nn.MaxPool2d(2), nn.MaxPool2d(3, 1), nn.MaxPool2d(3, 2, 1), nn.LPPool2d(3, 2)]
)
def test_pools_never_stretch_beyond_their_constant(pool):
    (layer,) = layers_of(pool, (2, 8, 8))
    constant = lipschitz(layer)
    torch.manual_seed(0)
    one = torch.rand(500, 2, 8, 8, dtype=torch.float64)
    # L_p pools come behind a ReLU, so neither input is negative.
    two = (one + 0.1 * torch.randn_like(one)).clamp_min(0)
    change = (pool(one) - pool(two)).flatten(1).norm(dim=1)
    assert (change <= constant * (one - two).flatten(1).norm(dim=1) * (1 + 1e-9)).all()


def test_gram_iteration_approaches_from_above():
    matrices = torch.randn(
        5, 12, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    exact = torch.linalg.matrix_norm(matrices, 2)
    estimates = [gram_norm(matrices, iterations=n) for n in (0, 1, 3, 10)]
    for looser, tighter in pairwise(estimates):
        assert (looser >= tighter * (1 - 1e-9)).all()
    assert (estimates[-1] >= exact).all()
    torch.testing.assert_close(estimates[-1], exact, rtol=2e-3, atol=0)
    assert dense_norm(matrices[0]) >= exact[0]
