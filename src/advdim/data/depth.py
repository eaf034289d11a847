"""Bring images of more than eight bits a channel to eight, by their type and not by their look."""

from __future__ import annotations

from threading import Lock

import numpy as np
from PIL import Image

from advdim.data.errors import DataError

FULL = 2**16 - 1
# Cameras and scanners have 10, 12 or 14 bits and store 16.
SUSPICIOUS_BITS = 14


class Depth:
    """How images of 16 bits or of floating-point numbers become levels from 0 to 255.

    Sixteen bits are scaled by 65535, or by what ``bits`` of them reach; floating-point numbers by
    1. What is outside raises ValueError.

    Attributes:
        bits: bits that 16-bit images use, or None where the settings do not say.
        largest: largest 16-bit value seen so far.
    """

    def __init__(self, bits: int | None = None) -> None:
        self.bits = bits
        self.largest = 0
        self._colour = False
        self._lock = Lock()

    def in_eight_bits(self, image: Image.Image, raw_mode: str) -> Image.Image:
        """Return an image in eight bits a channel; ``raw_mode`` is how its file stores it."""
        if image.mode == "F":
            return Image.fromarray(self._scaled_floats(np.asarray(image)))
        if image.mode.startswith("I"):
            return Image.fromarray(self._scaled_integers(np.asarray(image).astype(np.int64)))
        if ";16" in raw_mode:
            self._check_colour(image)
        return image

    def verify(self) -> None:
        """Raise DataError where 16-bit images use so few bits that scaling leaves few levels."""
        used = self.largest.bit_length()
        if self.bits is None and 0 < used <= SUSPICIOUS_BITS:
            scaled = f"'bits: {used}' scales by {2**used - 1}, 'bits: 16' by {FULL}"
            if self._colour:
                scaled = f"'bits: 16' scales by {FULL}; for more, convert them to 8 bits"
            raise DataError(
                f"16-bit images reach {self.largest} of {FULL}, {used} bits, which leaves few grey "
                f"levels; {scaled}."
            )

    def _scaled_floats(self, values: np.ndarray) -> np.ndarray:
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= 1):
            raise ValueError(f"its floating-point values go from {low:g} to {high:g}, not 0 to 1")
        return np.rint(values * 255).astype(np.uint8)

    def _scaled_integers(self, values: np.ndarray) -> np.ndarray:
        low, high = int(values.min()), int(values.max())
        top = FULL if self.bits is None else 2**self.bits - 1
        if low < 0 or high > top:
            raise ValueError(f"its integers go from {low} to {high}, not 0 to {top}")
        self._see(high)
        return np.rint(values * (255 / top)).astype(np.uint8)

    def _check_colour(self, image: Image.Image) -> None:
        # Pillow keeps the upper eight bits of sixteen-bit colour.
        if self.bits not in {None, 16}:
            raise ValueError(
                f"it has 16-bit colour, of which the upper 8 bits are read, not {self.bits}; "
                "convert it to 8 bits"
            )
        bands = zip(image.getbands(), image.getextrema(), strict=True)
        # An opaque alpha is 65535, however few bits the colours use.
        highest = max(found[1] for band, found in bands if band not in "Aa")  # type: ignore[index]
        self._colour = True
        self._see(int(highest) * 256 + 255)

    def _see(self, value: int) -> None:
        with self._lock:
            self.largest = max(self.largest, value)
