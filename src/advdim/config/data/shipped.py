"""Settings of the data that ship with scikit-learn: digits, and tiles of two photographs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from advdim.config.data.base import Dataset


class DigitsDataset(Dataset):
    """The 1,797 handwritten digits of 8 x 8 pixels that ship with scikit-learn."""

    source: Literal["digits"]
    test_fraction: float = Field(0.25, gt=0, lt=1)

    @property
    def native_edge(self) -> int:
        """8 pixels."""
        return 8

    @property
    def usual_channels(self) -> int:
        """Grey."""
        return 1

    def usual_classes(self) -> int:
        """Ten digits."""
        return 10

    def stored_images(self) -> tuple[int, int]:
        """Return the two shares of the 1,797 digits."""
        tests = round(1797 * self.test_fraction)
        return 1797 - tests, tests


class PhotographsDataset(Dataset):
    """Tiles of the two photographs that ship with scikit-learn: which one is a tile from?"""

    source: Literal["photographs"]
    native_size: PositiveInt = Field(64, le=160, description="edge of the tiles")
    stride: PositiveInt = Field(16, description="pixels between two tiles")
    test_fraction: float = Field(0.3, ge=0.25, le=0.75, description="right part of each photograph")

    @property
    def native_edge(self) -> int:
        """As stated in the settings."""
        return self.native_size

    def usual_classes(self) -> int:
        """Two photographs."""
        return 2

    def stored_images(self) -> tuple[int, int]:
        """Return the numbers of tiles of the two photographs of 640 x 427 pixels."""
        border = round(640 * (1 - self.test_fraction))
        rows = (427 - self.native_size) // self.stride + 1
        train, test = (
            2 * rows * ((width - self.native_size) // self.stride + 1)
            for width in (border, 640 - border)
        )
        return train, test
