"""Certified norms against the explicit matrix's, for random kernels, strides and paddings."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from advdim.bounds.certified import certified_norm
from advdim.bounds.constants_and_margins import network_constants
from advdim.bounds.from_torch import read_layers
from advdim.bounds.layers import forward
from advdim.bounds.operator_norms import (
    convolution_norm,
    dense_norm,
    gram_norm,
    lipschitz,
    patch_norm,
    row_norms,
)
from advdim.bounds.pools import LpPool, MaxPool
from advdim.bounds.rectified import rectified_norm
from advdim.networks.architectures import ResidualBlock


@torch.no_grad()
def explicit_matrix(module: nn.Module, shape: tuple[int, ...]) -> torch.Tensor:
    """Return the transposed matrix (inputs, outputs) of a linear module, without its bias."""
    module = module.double()
    zero = module(torch.zeros(1, *shape, dtype=torch.float64))
    basis = torch.eye(int(torch.tensor(shape).prod()), dtype=torch.float64).view(-1, *shape)
    return (module(basis) - zero).flatten(1)


def explicit_norm(module: nn.Module, shape: tuple[int, ...]) -> float:
    """Return the exact spectral norm of a linear module, without its bias."""
    return float(torch.linalg.matrix_norm(explicit_matrix(module, shape), 2))


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


@pytest.mark.parametrize("mode", ["reflect", "circular", "replicate"])
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_that_copies_and_convolution_are_one_operator(mode, dilation, stride):
    torch.manual_seed(dilation)
    module = nn.Conv2d(
        2, 3, 3, stride=stride, padding=dilation, dilation=dilation, padding_mode=mode
    )
    matrix = explicit_matrix(module, (2, 8, 8))
    exact = float(torch.linalg.matrix_norm(matrix, 2))
    (layer,) = layers_of(module, (2, 8, 8))
    assert exact <= lipschitz(layer) <= 1.02 * exact
    rows = matrix.norm(dim=0).view(3, -1).amax(1)
    assert (row_norms(layer) >= rows * (1 - 1e-9)).all()
    if mode == "reflect" and dilation < 3:
        torch.testing.assert_close(row_norms(layer), rows.double(), rtol=0.25, atol=0)


@pytest.mark.parametrize("mode", ["circular", "replicate"])
def test_a_reflection_padding_reflects_before_a_convolution_of_any_mode(mode):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.ReflectionPad2d(1), nn.Conv2d(1, 2, 3, padding_mode=mode), nn.Flatten(),
        nn.Linear(72, 3),
    ).double().eval()  # fmt: skip
    inputs = torch.randn(4, 1, 6, 6, dtype=torch.float64)
    layers = read_layers(network, (1, 6, 6))
    torch.testing.assert_close(forward(layers, inputs)[-1], network(inputs))


@pytest.mark.parametrize("steps", [20, 50, 160])
@pytest.mark.parametrize("shape", [(30, 30), (200, 40), (12, 300)])
def test_a_random_vector_certifies_a_norm_from_above(steps, shape):
    torch.manual_seed(steps)
    matrix = torch.randn(shape, dtype=torch.float64)
    exact = float(torch.linalg.matrix_norm(matrix, 2))
    found = certified_norm(lambda v: v @ matrix.T, lambda v: v @ matrix, (shape[1],), steps)
    largest = {20: 1.6, 50: 1.09, 160: 1.02}[steps]
    assert exact <= found <= largest * exact
    # A poor estimate, as power iteration gives from an unlucky start, makes it looser, not wrong.
    gap = torch.diag(torch.tensor([1.0] * 29 + [1.001], dtype=torch.float64))
    assert certified_norm(lambda v: v @ gap, lambda v: v @ gap, (30,), steps) >= 1.001


def test_rectified_maps_stay_below_their_constant_and_the_product():
    torch.manual_seed(0)
    chain = nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1, padding_mode="reflect"), nn.ReLU(), nn.Conv2d(5, 4, 3),
        nn.ReLU(), nn.Conv2d(4, 6, 3, stride=2), nn.Flatten(), nn.Linear(24, 3),
    ).double().eval()  # fmt: skip
    layers = read_layers(chain, (2, 7, 7))
    norms = [lipschitz(layer) for layer in layers]
    reach = [1.0]
    for norm in norms:
        reach.append(reach[-1] * norm)
    end = [type(layer).__name__ for layer in layers].index("Flatten")
    bound = rectified_norm(layers, end, reach, norms[end - 1])
    first, second, third = (explicit_matrix(chain[k], s) for k, s in
                            ((0, (2, 7, 7)), (2, (5, 7, 7)), (4, (4, 5, 5))))  # fmt: skip
    largest = 0.0
    for trial in range(300):
        # Corners of what rectifiers can do, and one that follows the first singular vector.
        ones = [torch.rand(m.shape[1]).round().double() for m in (first, second)]
        if not trial:
            ones = [torch.ones_like(one) for one in ones]
        product = first @ torch.diag(ones[0]) @ second @ torch.diag(ones[1]) @ third
        largest = max(largest, float(torch.linalg.matrix_norm(product, 2)))
    assert largest <= bound < 0.9 * reach[end]


def test_a_residual_layers_constant_is_above_every_jacobian():
    torch.manual_seed(0)
    block = ResidualBlock(3, 4, 2, batch_norm=True)
    for _ in range(3):
        block(torch.randn(16, 3, 6, 6))
    block = block.double().eval()
    head = nn.Sequential(block, nn.Flatten(), nn.Linear(36, 2)).double().eval()
    layers = read_layers(head, (3, 6, 6))
    assert [type(layer).__name__ for layer in layers] == ["Residual", "Relu", "Flatten", "Linear"]
    constants = network_constants(layers)
    points = 3 * torch.randn(40, 1, 3, 6, 6, dtype=torch.float64)
    for point in points:
        jacobian = torch.autograd.functional.jacobian(block, point).view(36, 108)
        exact = float(torch.linalg.matrix_norm(jacobian, 2))
        assert exact <= constants.reach[2] <= constants.plain_reach[2] * (1 + 1e-9)
    assert constants.plain_reach[2] < 6 * exact
    # What is read computes what the block does.
    torch.testing.assert_close(forward(layers, points[:, 0])[-1], head(points[:, 0]))


def test_uneven_pools_count_the_windows_that_share_a_pixel():
    pool = nn.AdaptiveMaxPool2d((5, 3))
    layers = read_layers(nn.Sequential(pool, nn.Flatten(), nn.Linear(15, 2)), (1, 7, 8))
    # Rows of 7 in 5: windows of two overlap in one pixel; columns of 8 in 3 likewise.
    assert lipschitz(layers[0]) == 2
    values = torch.randn(50, 1, 7, 8, dtype=torch.float64)
    torch.testing.assert_close(layers[0].apply(values), pool(values))
    moved = values + 1e-3 * torch.randn_like(values)
    change = (pool(moved) - pool(values)).flatten(1).norm(dim=1)
    assert (change <= 2 * (moved - values).flatten(1).norm(dim=1)).all()


@pytest.mark.parametrize("pool", [nn.AvgPool2d(2), nn.AvgPool2d(3, 1), nn.AvgPool2d(3, 2, 1)])
def test_average_pools_are_exact(pool):
    (layer,) = layers_of(pool, (2, 8, 8))
    assert lipschitz(layer) == pytest.approx(explicit_norm(pool, (2, 8, 8)), rel=1e-5)


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(2), nn.MaxPool2d(3, 1), nn.MaxPool2d(3, 2, 1), nn.LPPool2d(3, 2),
        nn.LPPool2d(2, 2, ceil_mode=True), nn.LPPool2d(1, 3, 2, ceil_mode=True),
        nn.LPPool2d(3, (2, 3), ceil_mode=True),
    ],
)  # fmt: skip
def test_pools_never_stretch_beyond_their_constant(pool):
    features = pool(torch.zeros(1, 2, 7, 8)).numel()
    network = nn.Sequential(nn.ReLU(), pool, nn.Flatten(), nn.Linear(features, 2))
    (layer,) = (k for k in read_layers(network, (2, 7, 8)) if isinstance(k, (MaxPool, LpPool)))
    constant = lipschitz(layer)
    torch.manual_seed(0)
    one = torch.rand(500, 2, 7, 8, dtype=torch.float64)
    # L_3 pools come behind a ReLU, so neither input is negative.
    two = (one + 0.1 * torch.randn_like(one)).clamp_min(0)
    # the last pixels alone, which lie in the windows that the image cuts
    two[:250, :, :-1], two[:250, :, :, :-1] = one[:250, :, :-1], one[:250, :, :, :-1]
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
