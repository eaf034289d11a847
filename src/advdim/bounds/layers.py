"""A trained network as a list of small typed layers in evaluation mode.

Reflection padding becomes a layer of its own, batch normalisation is folded into the weights before
it, and dropout disappears. What is left, with the pools of ``pools.py``, is what the bounds have a
theorem for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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

    def linear_part(self, values: Tensor) -> Tensor:
        """Apply an affine layer without its shift."""
        return self.apply(values) - self.apply(torch.zeros_like(values[:1]))

    @property
    def multiply_adds(self) -> float:
        """Of one sample, about."""
        return float(self.values_in)

    def adjoint(self, gradients: Tensor) -> Tensor:
        """Map gradients (N, *output_shape) to (N, *input_shape); for affine layers only."""
        return _transpose(self.apply, gradients, (len(gradients), *self.input_shape))

    @property
    def linear(self) -> bool:
        """Whether the layer is affine."""
        return True


@dataclass(frozen=True)
class Convolution(Layer):
    """Cross-correlation; ``weight`` has shape (outputs, inputs, height, width).

    ``padding`` is with zeros. ``copies``, (left, right, top, bottom), comes before it and repeats
    pixels by ``mode``: one operator, whose norm is about that of the convolution alone.
    """

    weight: Tensor
    bias: Tensor
    stride: Pair
    padding: Pair
    dilation: Pair
    copies: tuple[int, int, int, int] = (0, 0, 0, 0)
    mode: str = "reflect"

    def apply(self, values: Tensor) -> Tensor:
        """Convolve (N, C, H, W)."""
        return self._convolve(values, self.bias.to(values.dtype))

    def linear_part(self, values: Tensor) -> Tensor:
        """Convolve (N, C, H, W) without the bias."""
        return self._convolve(values, None)

    def _convolve(self, values: Tensor, bias: Tensor | None) -> Tensor:
        if any(self.copies):
            values = functional.pad(values, self.copies, mode=self.mode)
        weight = self.weight.to(values.dtype)
        return functional.conv2d(values, weight, bias, self.stride, self.padding, self.dilation)

    def adjoint(self, gradients: Tensor) -> Tensor:
        """Apply the transposed convolution to (N, *output_shape)."""
        channels, height, width = self.input_shape
        left, right, top, bottom = self.copies
        shape = (len(gradients), channels, height + top + bottom, width + left + right)
        weight = self.weight.to(gradients.dtype)
        padded = conv2d_input(shape, weight, gradients, self.stride, self.padding, self.dilation)
        return _sum_copies(padded, self.copies, self.mode) if any(self.copies) else padded

    @property
    def padded_size(self) -> Pair:
        """Height and width of the input with its padding."""
        _, height, width = self.input_shape
        left, right, top, bottom = self.copies
        rows, columns = self.padding
        return height + 2 * rows + top + bottom, width + 2 * columns + left + right

    @property
    def multiply_adds(self) -> float:
        """Of one image."""
        return float(self.weight.numel() * self.output_shape[1] * self.output_shape[2])


@dataclass(frozen=True)
class Linear(Layer):
    """Fully connected layer; ``weight`` has shape (outputs, inputs)."""

    weight: Tensor
    bias: Tensor

    def apply(self, values: Tensor) -> Tensor:
        """Map (N, inputs) to (N, outputs)."""
        return functional.linear(values, self.weight.to(values.dtype), self.bias.to(values.dtype))

    def linear_part(self, values: Tensor) -> Tensor:
        """Map (N, inputs) to (N, outputs) without the bias."""
        return values @ self.weight.to(values.dtype).T

    @property
    def multiply_adds(self) -> float:
        """Of one sample."""
        return float(self.weight.numel())

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
    """Mirror the borders; ``padding`` is (left, right, top, bottom) in pixels.

    Before a convolution it is a part of that.
    """

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
class Flatten(Layer):
    """Join channels, rows and columns into one axis."""

    def apply(self, values: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C * H * W)."""
        return values.flatten(1)


@dataclass(frozen=True)
class Residual(Layer):
    """The sum of what two sequences of layers make of one input; an empty one passes it on."""

    body: tuple[Layer, ...]
    shortcut: tuple[Layer, ...]

    def apply(self, values: Tensor) -> Tensor:
        """Map (N, *input_shape) to (N, *output_shape)."""
        return forward(self.body, values)[-1] + forward(self.shortcut, values)[-1]

    @property
    def linear(self) -> bool:
        """Whether both parts are."""
        return all(layer.linear for layer in (*self.body, *self.shortcut))


def forward(layers: Sequence[Layer], inputs: Tensor) -> list[Tensor]:
    """Return the inputs and every layer's output: ``len(layers) + 1`` tensors."""
    values = [inputs]
    for layer in layers:
        values.append(layer.apply(values[-1]))
    return values


def _sum_copies(padded: Tensor, copies: tuple[int, int, int, int], mode: str) -> Tensor:
    """Add to every pixel what stands at its copies: the transpose of padding by ``mode``."""
    left, right, top, bottom = copies
    shape = (*padded.shape[:2], padded.shape[2] - top - bottom, padded.shape[3] - left - right)
    return _transpose(lambda point: functional.pad(point, copies, mode=mode), padded, shape)


def _transpose(
    apply: Callable[[Tensor], Tensor], gradients: Tensor, shape: Sequence[int]
) -> Tensor:
    """Apply the transpose of an affine map of tensors of that shape."""
    with torch.enable_grad():
        point = gradients.new_zeros(*shape, requires_grad=True)
        # as grad_outputs, the gradients would make autograd load SymPy
        return torch.autograd.grad((apply(point) * gradients).sum(), point)[0]
