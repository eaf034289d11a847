"""Pooling layers in evaluation mode, and in how many of their windows a pixel can lie."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from advdim.bounds.layers import Layer, Pair


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
        """Whether the windows are disjoint, unpadded and complete.

        Pixels beyond the last of them may be left over: no output sees those.
        """
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
class AdaptiveMaxPool(Layer):
    """Maxima over windows that cut each axis into as many parts as the output has pixels.

    The windows overlap where the parts are no whole numbers of pixels.
    """

    def apply(self, values: Tensor) -> Tensor:
        """Pool (N, C, H, W)."""
        edges = (self.output_shape[1], self.output_shape[2])
        return functional.adaptive_max_pool2d(values, edges)

    @property
    def linear(self) -> bool:
        """A maximum bends at ties."""
        return False


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


def most_windows(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Return in how many windows along one axis of ``size`` pixels a pixel can lie at most."""
    count = torch.zeros(size, dtype=torch.int64)
    windows = math.ceil((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1
    for tap in range(kernel):
        positions = torch.arange(windows) * stride + tap * dilation - padding
        inside = positions[(positions >= 0) & (positions < size)]
        count += torch.bincount(inside, minlength=size)
    return int(count.max())
