"""The one owner of units: pixels against normalised inputs, and thresholds across norms.

Pixels are in [0, 1]; a network sees ``(pixel - mean) / std`` per channel. A sweep gives strengths
and thresholds in one of two units; they are converted here, nowhere else. Imports no torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Units = Literal["normalised", "pixel"]


@dataclass(frozen=True)
class Normalisation:
    """Per-channel mean and standard deviation of the pixels, both in units of [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map pixels in [0, 1], shape (N, C, H, W), to normalised inputs of the same shape."""
        return (pixels - self._per_channel(self.mean, pixels)) / self._per_channel(self.std, pixels)

    def invert(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map normalised inputs, shape (N, C, H, W), back to pixels in [0, 1]."""
        return inputs * self._per_channel(self.std, inputs) + self._per_channel(self.mean, inputs)

    def box(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the normalised images of pixel 0 and pixel 1, each of shape (1, C, 1, 1)."""
        mean, std = self._per_channel(self.mean, inputs), self._per_channel(self.std, inputs)
        return (0.0 - mean) / std, (1.0 - mean) / std

    @property
    def scale(self) -> float:
        """The mean standard deviation: one normalised unit, in units of the pixel range."""
        return sum(self.std) / len(self.std)

    @staticmethod
    def _per_channel(values: tuple[float, ...], like: torch.Tensor) -> torch.Tensor:
        return like.new_tensor(values).view(1, -1, 1, 1)


def to_normalised(
    value: float, units: Units, normalisation: Normalisation, power: int = 1
) -> float:
    """Express an l-inf threshold, or a strength, in normalised units.

    A pixel threshold is divided by the mean of the channels' standard deviations, so that the ball
    stays a ball (ICML 2019, Section 4: "multiply by .2 to compare with 0-1 pixel values").
    ``power`` is that of the gradient which a strength multiplies: gradients with respect to pixels
    are larger by the inverse standard deviation.
    """
    return value / normalisation.scale**power if units == "pixel" else value


def threshold(threshold_inf: float, dimension: int, p: float) -> float:
    """Return the threshold of an l_p norm, for ``p`` in [1, inf].

    That is ``epsilon_p = epsilon_inf * d^(1/p)`` (ICML 2019, Eq. 3).
    """
    return threshold_inf if math.isinf(p) else threshold_inf * dimension ** (1.0 / p)
