"""What each kind of torch layer is among the typed layers of ``layers.py`` and ``pools.py``."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from advdim.bounds.layers import (
    Convolution,
    Diagonal,
    Flatten,
    Layer,
    Linear,
    Pair,
    ReflectionPad,
    Relu,
    TensorShape,
)
from advdim.bounds.pools import AdaptiveMaxPool, AveragePool, LpPool, MaxPool
from advdim.networks.existing import Preprocessing
from advdim.networks.layers import GlobalMaxPool, ReflectedConvolution


class UnsupportedLayer(ValueError):
    """A layer has no bound here; the message names it and says why."""


def _pair(value: int | tuple[int, ...]) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _after(layer: Layer, shape: TensorShape) -> TensorShape:
    return tuple(layer.apply(torch.zeros(1, *shape, dtype=torch.float64)).shape[1:])


def _sized(kind: Callable[..., Layer], shape: TensorShape, *arguments: object) -> Layer:
    return kind(shape, _after(kind(shape, shape, *arguments), shape), *arguments)


def _double(values: Tensor | None, otherwise: Tensor) -> Tensor:
    return (otherwise if values is None else values).detach().double().cpu()


def _conv(module: nn.Conv2d, shape: TensorShape) -> list[Layer]:
    padding, dilation = _conv_padding(module), _pair(module.dilation)
    weight = _dense_groups(module.weight.detach().double().cpu(), module.groups)
    bias = _double(module.bias, torch.zeros(module.out_channels))
    copies = (0, 0, 0, 0)
    mode = "reflect" if module.padding_mode == "zeros" else module.padding_mode
    if module.padding_mode != "zeros":
        copies = (padding[1], padding[1], padding[0], padding[0])
        padding = (0, 0)
    stride = _pair(module.stride)
    return [_sized(Convolution, shape, weight, bias, stride, padding, dilation, copies, mode)]


def _conv_padding(module: nn.Conv2d) -> Pair:
    if module.padding == "valid":
        return (0, 0)
    if module.padding == "same":
        reach = [d * (q - 1) for d, q in zip(module.dilation, module.kernel_size, strict=True)]
        if any(r % 2 for r in reach):
            raise UnsupportedLayer("Conv2d padding 'same' with an even kernel has no lower bound.")
        return (reach[0] // 2, reach[1] // 2)
    assert not isinstance(module.padding, str)
    return _pair(module.padding)


def _dense_groups(weight: Tensor, groups: int) -> Tensor:
    if groups == 1:
        return weight
    outputs, inputs = weight.shape[0] // groups, weight.shape[1]
    dense = weight.new_zeros(weight.shape[0], inputs * groups, *weight.shape[2:])
    for group in range(groups):
        rows = slice(group * outputs, (group + 1) * outputs)
        dense[rows, group * inputs : (group + 1) * inputs] = weight[rows]
    return dense


def _linear(module: nn.Linear, shape: TensorShape) -> list[Layer]:
    bias = _double(module.bias, torch.zeros(module.out_features))
    return [_sized(Linear, shape, module.weight.detach().double().cpu(), bias)]


def _batch_norm(module: nn.BatchNorm2d | nn.BatchNorm1d, shape: TensorShape) -> list[Layer]:
    if module.running_mean is None or module.running_var is None:
        raise UnsupportedLayer(f"{type(module).__name__} without running statistics mixes samples.")
    mean, variance = module.running_mean.double().cpu(), module.running_var.double().cpu()
    scale = _double(module.weight, torch.ones_like(mean)) / (variance + module.eps).sqrt()
    return [
        Diagonal(shape, shape, scale, _double(module.bias, torch.zeros_like(mean)) - scale * mean)
    ]


def _relu(module: nn.ReLU, shape: TensorShape) -> list[Layer]:
    return [Relu(shape, shape)]


def _max_pool(module: nn.MaxPool2d, shape: TensorShape) -> list[Layer]:
    kernel = _pair(module.kernel_size)
    stride = _pair(module.stride if module.stride is not None else module.kernel_size)
    padding, dilation = _pair(module.padding), _pair(module.dilation)
    return [_sized(MaxPool, shape, kernel, stride, padding, dilation, module.ceil_mode)]


def _adaptive_edges(size: int | tuple[int | None, ...] | None, shape: TensorShape) -> Pair:
    edges = size if isinstance(size, tuple) else (size, size)
    return edges[0] or shape[1], edges[1] or shape[2]


def _adaptive_max(module: nn.AdaptiveMaxPool2d, shape: TensorShape) -> list[Layer]:
    edges = _adaptive_edges(module.output_size, shape)
    if shape[1] % edges[0] or shape[2] % edges[1]:
        return [AdaptiveMaxPool(shape, (shape[0], *edges))]
    kernel = (shape[1] // edges[0], shape[2] // edges[1])
    return [_sized(MaxPool, shape, kernel, kernel, (0, 0), (1, 1))]


def _average_pool(module: nn.AvgPool2d, shape: TensorShape) -> list[Layer]:
    kernel, stride, padding = map(
        _pair, (module.kernel_size, module.stride or module.kernel_size, module.padding)
    )
    override = module.divisor_override
    matrices = [
        functional.avg_pool1d(
            torch.eye(size, dtype=torch.float64),
            kernel[axis],
            stride[axis],
            padding[axis],
            module.ceil_mode,
            module.count_include_pad,
        ).T
        for axis, size in enumerate(shape[1:])
    ]
    if override:
        if module.ceil_mode or not module.count_include_pad:
            raise UnsupportedLayer("AvgPool2d with divisor_override and partial windows.")
        matrices[0] = matrices[0] * kernel[0] * kernel[1] / override
    return [_sized(AveragePool, shape, matrices[0], matrices[1], kernel)]


def _adaptive_average(module: nn.AdaptiveAvgPool2d, shape: TensorShape) -> list[Layer]:
    edges = _adaptive_edges(module.output_size, shape)
    matrices = [
        functional.adaptive_avg_pool1d(torch.eye(size, dtype=torch.float64), edge).T
        for size, edge in zip(shape[1:], edges, strict=True)
    ]
    kernel = (-(-shape[1] // edges[0]), -(-shape[2] // edges[1]))
    return [_sized(AveragePool, shape, matrices[0], matrices[1], kernel)]


def _lp_pool(module: nn.LPPool2d, shape: TensorShape) -> list[Layer]:
    p = float(module.norm_type)
    if not 1 <= p < float("inf"):
        raise UnsupportedLayer(
            f"LPPool2d with p = {p:g} is not a norm's pooling; use p in [1, inf)."
        )
    kernel = _pair(module.kernel_size)
    stride = _pair(module.stride if module.stride is not None else module.kernel_size)
    return [_sized(LpPool, shape, p, kernel, stride, module.ceil_mode)]


def _flatten(module: nn.Flatten, shape: TensorShape) -> list[Layer]:
    if (module.start_dim, module.end_dim) not in ((1, -1), (1, len(shape))):
        raise UnsupportedLayer("Flatten of some axes only has no lower bound.")
    return [_sized(Flatten, shape)]


def _reflection_pad(module: nn.ReflectionPad2d, shape: TensorShape) -> list[Layer]:
    left, right, top, bottom = module.padding
    return [_sized(ReflectionPad, shape, (left, right, top, bottom))]


def _preprocessing(module: Preprocessing, shape: TensorShape) -> list[Layer]:
    scale, shift = module.scale.double().cpu(), module.shift.double().cpu()
    if len(scale) == shape[0]:
        return [Diagonal(shape, shape, scale, shift)]
    # A grey image is repeated: one pixel, all channels.
    return [_sized(Convolution, shape, scale.view(-1, 1, 1, 1), shift, (1, 1), (0, 0), (1, 1))]


def _nothing(module: nn.Module, shape: TensorShape) -> list[Layer]:
    return []


READERS: dict[type[nn.Module], Callable[..., list[Layer]]] = {
    nn.Conv2d: _conv,
    ReflectedConvolution: _conv,
    nn.Linear: _linear,
    nn.BatchNorm2d: _batch_norm,
    nn.BatchNorm1d: _batch_norm,
    nn.ReLU: _relu,
    nn.MaxPool2d: _max_pool,
    nn.AdaptiveMaxPool2d: _adaptive_max,
    GlobalMaxPool: _adaptive_max,
    nn.AvgPool2d: _average_pool,
    nn.AdaptiveAvgPool2d: _adaptive_average,
    nn.LPPool2d: _lp_pool,
    nn.Flatten: _flatten,
    nn.ReflectionPad2d: _reflection_pad,
    nn.Dropout: _nothing,
    nn.Dropout2d: _nothing,
    nn.Identity: _nothing,
    Preprocessing: _preprocessing,
}
