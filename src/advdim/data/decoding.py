"""Decode and resize many images in bounded memory: in parallel, in order, into one array."""

from __future__ import annotations

import itertools
import logging
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from advdim.data.errors import DataError
from advdim.data.images import Images
from advdim.data.resize import shrink

log = logging.getLogger(__name__)
# Larger arrays live in a file, so that the system may write them out under pressure.
IN_MEMORY = 2**28
PER_THREAD = 32


@dataclass
class Decoder:
    """Decodes the images of a dataset at one edge.

    Attributes:
        edge: edge of the resulting squares, in pixels.
        skip: leave out images that cannot be decoded, instead of raising DataError.
        threads: images decoded at once; the result does not depend on it.
        scratch: folder for large arrays; None: the system's temporary folder.
        skipped: what was left out, a sentence per image.
    """

    edge: int
    skip: bool = False
    threads: int = 1
    scratch: Path | None = None
    skipped: list[str] = field(default_factory=list)

    def stack(self, source: Images, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return uint8 images (N, C, edge, edge) and the indices that they are of, in order.

        Raises DataError where an image cannot be decoded and ``skip`` is not set, or where none
        can.
        """
        stacked: np.ndarray | None = None
        kept: list[int] = []
        for index, image in self._decoded(source, indices):
            if isinstance(image, DataError):
                if not self.skip:
                    raise image
                log.warning("left out: %s", image)
                self.skipped.append(str(image))
                continue
            if stacked is None:
                stacked = self._room((len(indices), *image.shape))
            stacked[len(kept)] = image
            kept.append(index)
        if stacked is None:
            raise DataError(f"None of {len(indices)} images can be decoded: {self.skipped[0]}")
        return stacked[: len(kept)], np.array(kept)

    def _decoded(
        self, source: Images, indices: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray | DataError]]:
        def decode(index: int) -> np.ndarray | DataError:
            try:
                return shrink(source[index], self.edge)
            except DataError as error:
                return error

        waiting = iter(int(index) for index in indices)
        with ThreadPoolExecutor(self.threads) as pool:
            while chunk := list(itertools.islice(waiting, PER_THREAD * self.threads)):
                yield from zip(chunk, pool.map(decode, chunk), strict=True)

    def _room(self, shape: tuple[int, ...]) -> np.ndarray:
        if np.prod(shape, dtype=np.int64) <= IN_MEMORY:
            return np.empty(shape, dtype=np.uint8)
        # Nameless: it is gone when nobody reads it any more, however the process ends.
        with tempfile.TemporaryFile(dir=self.scratch) as file:
            return np.memmap(file, np.uint8, "w+", shape=shape)
