"""What every source of images gives: labelled images of one split."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np


class Images(ABC):
    """One split: labels in memory, images decoded one at a time as uint8 (C, H, W)."""

    labels: np.ndarray
    class_names: list[str]
    # What is worth knowing of how the images were chosen.
    remark: str = ""

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def __getitem__(self, index: int) -> np.ndarray:
        """Return image ``index`` as uint8 of shape (channels, height, width)."""

    def visits(self, indices: np.ndarray) -> Iterator[tuple[int, str, Callable[[], np.ndarray]]]:
        """Yield (place in ``indices``, name, what returns its image), in the order of storage.

        What is yielded may be called from several threads.
        """
        for place, index in enumerate(indices):
            yield place, str(index), partial(self.__getitem__, int(index))

    # Most sources have nothing to add to what they say of single images.
    def verify(self) -> None:  # noqa: B027
        """Raise DataError for what is wrong with all images that were decoded so far, together."""


class ArrayImages(Images):
    """Images that are in memory already, uint8 of shape (N, C, H, W)."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray, class_names: list[str]) -> None:
        self.pixels = pixels
        self.labels = np.asarray(labels, dtype=np.int64)
        self.class_names = class_names

    def __getitem__(self, index: int) -> np.ndarray:
        return self.pixels[index]
