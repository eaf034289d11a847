"""Joint constants of convolutions and pools: above what gradient ascent finds, below products."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from advdim.bounds.balancing import balance
from advdim.bounds.chaining import chained_norm
from advdim.bounds.constants_and_margins import network_constants
from advdim.bounds.from_torch import read_layers
from advdim.bounds.layers import Convolution, forward
from advdim.bounds.operator_norms import convolution_norm
from advdim.bounds.pooling import TRIALS, joint_norms
from advdim.bounds.pools import MaxPool
from advdim.bounds.relaxation import explicit_map, only_relu

SETTINGS = [  # edge, padding and stride of the first convolution, pool, dilation of the second
    (20, 0, 1, 2, 1),
    (22, 1, 1, 2, 2),
    (25, 1, 2, 2, 1),
    (20, 0, 1, 3, 1),
]


def steepest(
    function: Callable[[Tensor], Tensor], shape: tuple[int, ...], steps: int = 80
) -> float:
    """Return the largest quotient of output change to input change that gradient ascent finds."""
    torch.manual_seed(0)
    point = torch.randn(8, *shape, dtype=torch.float64)
    change = (0.1 * torch.randn_like(point)).requires_grad_()
    ascent, best = torch.optim.Adam([change], lr=0.05), 0.0
    for _ in range(steps):
        moved = (function(point + change) - function(point)).flatten(1).norm(dim=1)
        quotient = moved / change.flatten(1).norm(dim=1)
        best = max(best, quotient.max().item())
        ascent.zero_grad()
        (-quotient.sum()).backward()
        ascent.step()
    return best


def deviations(values: Tensor, edge: int) -> Tensor:
    """Subtract each window's mean."""
    rows, columns = (size // edge * edge for size in values.shape[2:])
    values = values[..., :rows, :columns]
    mean = functional.avg_pool2d(values, edge)
    return values - mean.repeat_interleave(edge, 2).repeat_interleave(edge, 3)


@pytest.mark.parametrize(("size", "padding", "stride", "edge", "dilation"), SETTINGS)
def test_joint_and_chained_constants(size, padding, stride, edge, dilation):
    torch.manual_seed(size)
    body = nn.Sequential(
        nn.Conv2d(2, 3, 3, stride, padding), nn.MaxPool2d(edge),
        nn.Conv2d(3, 2, 2, dilation=dilation), nn.MaxPool2d(2), nn.Flatten(),
    )  # fmt: skip
    features = body(torch.zeros(1, 2, size, size)).shape[1]
    layers = read_layers(nn.Sequential(*body, nn.Linear(features, 2)), (2, size, size))
    first, pool, second, second_pool = layers[:4]
    assert isinstance(first, Convolution)
    assert isinstance(pool, MaxPool)
    assert isinstance(second, Convolution)
    assert isinstance(second_pool, MaxPool)
    joint, plain = joint_norms(first, pool), convolution_norm(second)
    after = joint_norms(second, second_pool)
    chain = chained_norm(first, pool, second, plain)
    chained_deviation = chained_norm(first, pool, second, after.deviation, second_pool.kernel)
    assert chain is not None
    assert chained_deviation is not None

    def pooled(values: Tensor) -> Tensor:
        return pool.apply(first.apply(values))

    def chained(values: Tensor) -> Tensor:
        return second.apply(pooled(values))

    shape = (2, size, size)
    assert steepest(pooled, shape) <= joint.pooled <= convolution_norm(first)
    assert steepest(lambda values: deviations(first.apply(values), edge), shape) <= joint.deviation
    assert steepest(chained, shape) <= chain
    assert steepest(lambda values: deviations(chained(values), 2), shape) <= chained_deviation


def joint_constant(convolution: Convolution, edge: int, t: float | None) -> float:
    """Return the exact joint constant at ``t``, from explicit matrices; None: of deviations."""
    basis = torch.eye(convolution.values_in, dtype=torch.float64)
    outputs = convolution.linear_part(basis.view(-1, *convolution.input_shape))
    size = edge**2
    rest = deviations(outputs, edge).flatten(1)
    if t is None:
        return float(torch.linalg.matrix_norm(rest, 2))
    means = functional.avg_pool2d(outputs, edge).flatten(1)
    squared = (1 + t) * means @ means.T + (1 + 1 / t) * (size - 1) / size * rest @ rest.T
    return float(torch.linalg.eigvalsh(squared)[-1].sqrt())


@pytest.mark.parametrize("mode", ["zeros", "reflect", "circular", "replicate"])
@pytest.mark.parametrize(("size", "edge"), [((7, 7), 2), ((8, 7), 3), ((8, 9), 2), ((6, 8), 2)])
def test_joint_constants_where_pixels_are_left_over(mode, size, edge):
    torch.manual_seed(edge)
    body = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1, padding_mode=mode), nn.MaxPool2d(edge))
    features = body(torch.zeros(1, 2, *size)).numel()
    layers = read_layers(nn.Sequential(*body, nn.Flatten(), nn.Linear(features, 2)), (2, *size))
    convolution, pool = layers[:2]
    assert isinstance(convolution, Convolution)
    assert isinstance(pool, MaxPool)
    joint = joint_norms(convolution, pool)
    trials = [trial * (edge**2 - 1) for trial in TRIALS]
    pooled = min(joint_constant(convolution, edge, t) for t in trials)
    deviation = joint_constant(convolution, edge, None)
    assert pooled <= joint.pooled <= 1.25 * pooled  # t is chosen without borders
    # The certificate's looseness, or that of a circular map for a padded one.
    assert deviation <= joint.deviation <= (1.3 if mode == "zeros" else 1.03) * deviation
    reached = steepest(lambda values: pool.apply(convolution.apply(values)), (2, *size))
    assert reached <= joint.pooled


def caffe(bend: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), bend, nn.Conv2d(6, 8, 3), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(8 * 16 // 4, 20), nn.ReLU(), nn.Linear(20, 4),
    ).eval()  # fmt: skip


@pytest.mark.parametrize("bend", [nn.MaxPool2d(2), nn.Sequential(nn.ReLU(), nn.MaxPool2d(2))])
def test_balancing_changes_the_norms_and_not_the_function(bend):
    layers = read_layers(caffe(bend), (1, 16, 16))
    balanced = balance(layers)
    inputs = torch.randn(5, 1, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(forward(balanced, inputs)[-1], forward(layers, inputs)[-1])
    assert network_constants(balanced).plain_reach[-1] < network_constants(layers).plain_reach[-1]


def test_the_explicit_map_is_the_gradient_of_the_prefix():
    network = caffe(nn.AvgPool2d(2))
    network[3] = nn.AvgPool2d(2)
    layers = read_layers(network, (1, 16, 16))
    index = only_relu(layers)
    assert index is not None
    inputs = torch.randn(1, 1, 16, 16, dtype=torch.float64)
    matrix = explicit_map(layers, index)
    values, origin = (forward(layers[:index], x)[-1] for x in (inputs, torch.zeros_like(inputs)))
    torch.testing.assert_close(matrix @ inputs.flatten(), (values - origin)[0])
    assert only_relu(read_layers(caffe(nn.MaxPool2d(2)), (1, 16, 16))) is None
