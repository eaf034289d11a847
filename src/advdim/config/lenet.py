"""Settings of LeNet as Caffe has it, the network of the lower bounds' experiments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, PositiveInt

from advdim.config.network_base import Network
from advdim.config.numbers import Width


class LenetNetwork(Network):
    """Unpadded convolutions, each with a max pool, then fully connected layers with ReLU.

    The defaults are Caffe's LeNet (NIPS 2017, Section 5), which has no ReLU behind convolutions.
    Weights start as in Caffe's example, uniform of variance 1/fan_in.
    """

    kind: Literal["lenet"]
    channels: list[Width] = Field([20, 50], description="outputs of each convolution")
    kernel: PositiveInt = Field(5, description="edge of the convolutions")
    pool: PositiveInt = Field(2, description="edge of the max pools; 1: none")
    relu: bool = Field(False, description="ReLU behind each convolution")
    hidden: list[Width] = Field([500], description="units of the fully connected layers")

    def edges(self, size: int) -> Iterator[int]:
        """Yield each convolution's output edge; raises ValueError where something does not fit."""
        edge = size
        for layer in range(1, len(self.channels) + 1):
            if edge < self.kernel:
                raise ValueError(
                    f"convolution {layer} would get a {edge}x{edge} map, smaller than its "
                    f"{self.kernel}x{self.kernel} kernel"
                )
            edge -= self.kernel - 1
            if edge < self.pool:
                raise ValueError(
                    f"the pool after convolution {layer} would get a {edge}x{edge} map, smaller "
                    f"than its {self.pool}x{self.pool} window"
                )
            yield edge
            edge //= self.pool

    def misfit(self, size: int) -> str | None:
        """Check that every kernel and every pool fits into its map."""
        try:
            list(self.edges(size))
        except ValueError as misfit:
            return str(misfit)
        return None

    def beyond_theorems(self, size: int) -> str | None:
        """Return the scheme of the weights: their variance is 1/fan_in (against H3)."""
        return "initialisation of variance 1/fan_in"

    def counts(self, channels: int, size: int) -> tuple[float, float]:
        """Return the multiply-adds and the activations of one image, of ten classes."""
        multiply_adds = activations = 0.0
        inputs, pooled = channels, size
        for outputs, edge in zip(self.channels, self.edges(size), strict=True):
            multiply_adds += self.kernel**2 * inputs * outputs * edge**2
            activations += 2 * outputs * edge**2
            inputs, pooled = outputs, edge // self.pool
        values = inputs * pooled**2
        for units in (*self.hidden, 10):
            multiply_adds += values * units
            activations += 2 * units
            values = units
        return multiply_adds, activations
