"""Decode and resize many images in bounded memory: in parallel, in order, into one array."""

from __future__ import annotations

import logging
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from advdim.data.errors import DataError
from advdim.data.images import Images
from advdim.data.resize import shrink

log = logging.getLogger(__name__)
# Larger arrays live in a file, so that the system may write them out under pressure.
IN_MEMORY = 2**28
# Images at work at a time: they may be large.
PER_THREAD = 4


class Example(NamedTuple):
    """One image of a dataset: its name, and its shape (C, H, W)."""

    name: str
    shape: tuple[int, ...]


@dataclass
class Decoder:
    """Decodes the images of a dataset at one edge.

    Attributes:
        edge: edge of the resulting squares, in pixels.
        skip: leave out images that cannot be decoded, instead of raising DataError.
        threads: images decoded at once; the result does not depend on it.
        scratch: folder for large arrays; None: the system's temporary folder.
        like: an image whose size all must have; None: any size from ``edge`` on.
        skipped: what was left out, a sentence per image.
    """

    edge: int
    skip: bool = False
    threads: int = 1
    scratch: Path | None = None
    like: Example | None = None
    skipped: list[str] = field(default_factory=list)

    def stack(self, source: Images, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return uint8 images (N, C, edge, edge) and the indices that they are of, in order.

        They are read in the order in which the source stores them. Raises DataError where an image
        cannot be decoded and ``skip`` is not set, where none can, where one has another size than
        ``like``, or where all together are wrong.
        """
        stacked: np.ndarray | None = None
        kept = np.zeros(len(indices), dtype=bool)
        for place, image in self._decoded(source, indices):
            if isinstance(image, DataError):
                if not self.skip:
                    raise image
                log.warning("left out: %s", image)
                self.skipped.append(str(image))
                continue
            if stacked is None:
                stacked = self._room((len(indices), *image.shape))
            stacked[place] = image
            kept[place] = True
        if stacked is None:
            raise DataError(f"None of {len(indices)} images can be decoded: {self.skipped[0]}")
        source.verify()
        return _closed_up(stacked, kept), indices[kept]

    def _decoded(
        self, source: Images, indices: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray | DataError]]:
        def decode(name: str, load: Callable[[], np.ndarray]) -> np.ndarray | DataError:
            try:
                image = load()
            except DataError as error:
                return error
            # An image of a wrong size is not corrupt: it must not be left out at some sizes only.
            self._check_size(Example(name, image.shape))
            return shrink(image, self.edge)

        waiting: deque[tuple[int, Future[np.ndarray | DataError]]] = deque()
        with ThreadPoolExecutor(self.threads) as pool:
            for place, name, load in source.visits(indices):
                waiting.append((place, pool.submit(decode, name, load)))
                if len(waiting) >= PER_THREAD * self.threads:
                    first, image = waiting.popleft()
                    yield first, image.result()
            for place, image in waiting:
                yield place, image.result()

    def _check_size(self, found: Example) -> None:
        if self.like and found.shape[1:] != self.like.shape[1:]:
            (_, height, width), (_, other_height, other_width) = self.like.shape, found.shape
            raise DataError(
                f"Images differ in size: {self.like.name} has {width}x{height} pixels and "
                f"{found.name} has {other_width}x{other_height}; 'native_size' brings all to one "
                "square."
            )

    def _room(self, shape: tuple[int, ...]) -> np.ndarray:
        if np.prod(shape, dtype=np.int64) <= IN_MEMORY:
            return np.empty(shape, dtype=np.uint8)
        # Nameless: it is gone when nobody reads it any more, however the process ends.
        with tempfile.TemporaryFile(dir=self.scratch) as file:
            return np.memmap(file, np.uint8, "w+", shape=shape)


def _closed_up(stacked: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Move the kept images together, in their order, without a second array."""
    if not kept.all():
        for place, old in enumerate(np.flatnonzero(kept)):
            stacked[place] = stacked[old]
    return stacked[: kept.sum()]
