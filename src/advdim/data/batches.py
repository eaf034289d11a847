"""Batches made on the device: small uint8 pixels in, normalised and replicated inputs out."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F

from advdim.config.data import LEAST_TRAINED, Augmentation
from advdim.data.errors import DataError
from advdim.data.layout import memory_format
from advdim.data.pixels import Pixels
from advdim.data.resize import replicate


class Batches:
    """The images of one split on a device, in the order and augmentation that is asked for."""

    def __init__(
        self,
        pixels: Pixels,
        split: str,
        device: torch.device | str = "cpu",
        precision: str = "float32",
    ) -> None:
        """Bring the images to the device, in the order in which it computes at a precision."""
        self.images = pixels.images[split].to(device)
        self.labels = pixels.labels[split].to(device)
        statistics = [pixels.normalisation.mean, pixels.normalisation.std]
        self._mean, self._std = torch.tensor(statistics, device=device).view(2, 1, -1, 1, 1)
        self.factor = pixels.factor
        self.pixel_edge = pixels.pixel_edge
        self.memory_format = memory_format(device, precision)

    def __len__(self) -> int:
        return len(self.labels)

    def shuffled(
        self, batch_size: int, augmentation: Augmentation, random: torch.Generator
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield one epoch of augmented (inputs, labels) in an order drawn from ``random``."""
        for rows, moves in self.drawn(batch_size, augmentation, random):
            yield self.augmented(rows, moves, augmentation)

    def drawn(
        self, batch_size: int, augmentation: Augmentation, random: torch.Generator
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield what makes the batches of one epoch: rows (N,) and moves (3, N), on the device.

        ``random`` lives on the processor, so an epoch is the same on every device; all that is
        drawn goes to the device before the first batch. A last batch of a single image is left
        out: batch norm has no variance there. Raises DataError where that leaves none.
        """
        if len(self) < LEAST_TRAINED:
            raise DataError(
                f"{len(self)} image is too little to train on; at least {LEAST_TRAINED} are needed."
            )
        order = torch.randperm(len(self), generator=random).split(batch_size)
        order = order[:-1] if len(order[-1]) == 1 else order
        moves = [draw_moves(len(rows), augmentation, random) for rows in order]
        sizes, device = [len(rows) for rows in order], self.labels.device
        where, how = torch.cat(order).to(device), torch.cat(moves, 1).to(device)
        yield from zip(where.split(sizes), how.split(sizes, 1), strict=True)

    def augmented(
        self, rows: torch.Tensor, moves: torch.Tensor, augmentation: Augmentation
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the (inputs, labels) of these rows (N,), moved as drawn (3, N)."""
        images = augment(self.images[rows], augmentation, moves, self.pixel_edge)
        return self._inputs(images), self.labels[rows]

    def ordered(
        self, batch_size: int, limit: int | None = None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield (inputs, labels) in stored order, without augmentation, at most ``limit``."""
        count = len(self) if limit is None else min(limit, len(self))
        for start in range(0, count, batch_size):
            stop = min(start + batch_size, count)
            yield self._inputs(self.images[start:stop]), self.labels[start:stop]

    def _inputs(self, images: torch.Tensor) -> torch.Tensor:
        small = (images.float() / 255 - self._mean) / self._std
        return replicate(small, self.factor).contiguous(memory_format=self.memory_format)


def first_inputs(
    pixels: Pixels, limit: int | None, device: torch.device | str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first test images as normalised inputs (N, C, size, size), and labels (N,)."""
    parts = list(Batches(pixels, "test", device).ordered(256, limit))
    return torch.cat([inputs for inputs, _ in parts]), torch.cat([labels for _, labels in parts])


def draw_moves(count: int, augmentation: Augmentation, random: torch.Generator) -> torch.Tensor:
    """Draw how images move, integers (3, N): the crop's rows and columns, and 1 for a flip.

    Rows and columns are in original pixels, from 0 to twice the padding.
    """
    moves = torch.zeros(3, count, dtype=torch.long)
    if augmentation.crop_padding:
        positions = 2 * augmentation.crop_padding + 1
        # the shape is that in which they have always been drawn
        moves[:2] = torch.randint(0, positions, (2, count, 1), generator=random)[..., 0]
    if augmentation.flip:
        moves[2] = torch.randint(0, 2, (count,), generator=random)
    return moves


def augment(
    images: torch.Tensor, augmentation: Augmentation, moves: torch.Tensor, pixel_edge: int
) -> torch.Tensor:
    """Crop after zero padding, then flip, as ``draw_moves`` says; (N, C, H, W) in and out.

    Offsets are whole original pixels, each ``pixel_edge`` stored pixels wide, so that augmenting
    before replication and after it are the same.
    """
    count, _, height, width = images.shape
    device = images.device
    if augmentation.crop_padding:
        padding = augmentation.crop_padding * pixel_edge
        offsets = moves[:2, :, None] * pixel_edge
        rows = offsets[0] + torch.arange(height, device=device)
        columns = offsets[1] + torch.arange(width, device=device)
        padded = F.pad(images, (padding, padding, padding, padding))
        which = torch.arange(count, device=device)[:, None, None]
        images = padded.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]]
        images = images.permute(0, 3, 1, 2)
    if augmentation.flip:
        images = torch.where(moves[2].bool()[:, None, None, None], images.flip(-1), images)
    return images
