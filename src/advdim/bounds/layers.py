"""A trained network as a list of small typed layers in evaluation mode.

Reflection padding becomes a layer of its own, batch normalisation is folded into the weights before
it, and dropout disappears. What is left is what the bounds have a theorem for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.grad import conv2d_input

Pair = tuple[int, int]
TensorShape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """A map between tensors of fixed shapes, given without the batch axis: (C, H, W) or (F,)."""

    input_shape: TensorShape
    output_shape: TensorShape

    @property
    def values_in(self) -> int:
        """The number of values of one sample that enter."""
        return math.prod(self.input_shape)

    def apply(self, values: Tensor) -> Tensor:
        """Map values of shape (N, *input_shape) to (N, *output_shape)."""
        raise NotImplementedError

    def adjoint(self, gradients: Tensor) -> Tensor:
        """Map gradients (N, *output_shape) to (N, *input_shape); for affine layers only."""
        with torch.enable_grad():
            point = gradients.new_zeros(len(gradients), *self.input_shape, requires_grad=True)
            return torch.autograd.grad(self.apply(point), point, gradients)[0]

    @property
    def linear(self) -> bool:
        """Whether the layer is affine."""
        return True


@dataclass(frozen=True)
class Convolution(Layer):
    """Zero-padded cross-correlation; ``weight`` has shape (outputs, inputs, height, width)."""

    weight: Tensor
    bias: Tensor
    stride: Pair
    padding: Pair
    dilation: Pair

    def apply(self, values: Tensor) -> Tensor:
        """Convolve (N, C, H, W)."""
        return functional.conv2d(
            values,
            self.weight.to(values.dtype),
            self.bias.to(values.dtype),
            self.stride,
            self.padding,
            self.dilation,
        )

    def adjoint(self, gradients: Tensor) -> Tensor:
        """Apply the transposed convolution to (N, *output_shape)."""
        return conv2d_input(
            (len(gradients), *self.input_shape),
            self.weight.to(gradients.dtype),
            gradients,
            self.stride,
            self.padding,
            self.dilation,
        )

    @property
    def padded_size(self) -> Pair:
        """Height and width of the input with its zero padding."""
        _, height, width = self.input_shape
        return height + 2 * self.padding[0], width + 2 * self.padding[1]


@dataclass(frozen=True)
class Linear(Layer):
    """Fully connected layer; ``weight`` has shape (outputs, inputs)."""

    weight: Tensor
    bias: Tensor

    def apply(self, values: Tensor) -> Tensor:
        """Map (N, inputs) to (N, outputs)."""
        return functional.linear(values, self.weight.to(values.dtype), self.bias.to(values.dtype))

    def adjoint(self, gradients: Tensor) -> Tensor:
        """Map (N, outputs) to (N, inputs)."""
        return gradients @ self.weight.to(gradients.dtype)


@dataclass(frozen=True)
class Diagonal(Layer):
    """``scale * x + shift`` per channel: batch normalisation at test time, or pixel units."""

    scale: Tensor
    shift: Tensor

    def apply(self, values: Tensor) -> Tensor:
        """Scale and shift the first axis after the batch axis."""
        shape = (1, -1) + (1,) * (values.ndim - 2)
        return values * self.scale.to(values.dtype).view(shape) + self.shift.to(values.dtype).view(
            shape
        )


@dataclass(frozen=True)
class ReflectionPad(Layer):
    """Mirror the borders; ``padding`` is (left, right, top, bottom) in pixels."""

    padding: tuple[int, int, int, int]

    def apply(self, values: Tensor) -> Tensor:
        """Pad (N, C, H, W)."""
        return functional.pad(values, self.padding, mode="reflect")


@dataclass(frozen=True)
class Relu(Layer):
    """``max(x, 0)`` per element."""

    def apply(self, values: Tensor) -> Tensor:
        """Rectify each element."""
        return values.clamp_min(0)

    @property
    def linear(self) -> bool:
        """A rectifier bends at zero."""
        return False


@dataclass(frozen=True)
class MaxPool(Layer):
    """Maximum over windows of ``kernel`` pixels, ``stride`` apart."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    ceil_mode: bool = False

    def apply(self, values: Tensor) -> Tensor:
        """Pool (N, C, H, W)."""
        return functional.max_pool2d(
            values, self.kernel, self.stride, self.padding, self.dilation, self.ceil_mode
        )

    @property
    def tiles(self) -> bool:
        """Whether the windows are disjoint, unpadded and complete."""
        complete = all(
            count * edge <= size
            for count, edge, size in zip(
                self.output_shape[1:], self.kernel, self.input_shape[1:], strict=True
            )
        )
        return (
            complete
            and self.kernel == self.stride
            and self.padding == (0, 0)
            and self.dilation == (1, 1)
        )

    @property
    def linear(self) -> bool:
        """A maximum bends at ties."""
        return False


@dataclass(frozen=True)
class AveragePool(Layer):
    """Average pooling as one matrix per axis: ``rows`` (t_h, H) and ``columns`` (t_w, W)."""

    rows: Tensor
    columns: Tensor
    kernel: Pair

    def apply(self, values: Tensor) -> Tensor:
        """Pool (N, C, H, W)."""
        return self.rows.to(values.dtype) @ values @ self.columns.to(values.dtype).T


@dataclass(frozen=True)
class LpPool(Layer):
    """``(sum x^p)^(1/p)`` over windows of ``kernel`` pixels, ``stride`` apart."""

    p: float
    kernel: Pair
    stride: Pair
    ceil_mode: bool = False

    def apply(self, values: Tensor) -> Tensor:
        """Pool (N, C, H, W)."""
        return functional.lp_pool2d(values, self.p, self.kernel, self.stride, self.ceil_mode)

    @property
    def linear(self) -> bool:
        """A norm bends at zero."""
        return False


@dataclass(frozen=True)
class Flatten(Layer):
    """Join channels, rows and columns into one axis."""

    def apply(self, values: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C * H * W)."""
        return values.flatten(1)


def forward(layers: Sequence[Layer], inputs: Tensor) -> list[Tensor]:
    """Return the inputs and every layer's output: ``len(layers) + 1`` tensors."""
    values = [inputs]
    for layer in layers:
        values.append(layer.apply(values[-1]))
    return values


def most_windows(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Return in how many windows along one axis of ``size`` pixels a pixel can lie at most."""
    count = torch.zeros(size, dtype=torch.int64)
    windows = math.ceil((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1
    for tap in range(kernel):
        positions = torch.arange(windows) * stride + tap * dilation - padding
        inside = positions[(positions >= 0) & (positions < size)]
        count += torch.bincount(inside, minlength=size)
    return int(count.max())
