"""Bring images to one edge: replication upwards, area or antialiased averaging downwards."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from advdim.data.errors import DataError
from advdim.data.torchvision_import import torchvision


def replication_factor(edge: int, size: int) -> int | None:
    """Return how often each pixel is copied per axis to get from ``edge`` to ``size``, or None."""
    return size // edge if size % edge == 0 else None


def replicate(images: torch.Tensor, factor: int) -> torch.Tensor:
    """Copy each pixel of (N, C, H, W) into a ``factor`` by ``factor`` block."""
    if factor == 1:
        return images
    batch, channels, height, width = images.shape
    blocks = images[:, :, :, None, :, None].expand(-1, -1, -1, factor, -1, factor)
    return blocks.reshape(batch, channels, height * factor, width * factor)


def shrink(image: np.ndarray, size: int) -> np.ndarray:
    """Bring one uint8 image (C, H, W) to (C, size, size); neither axis may be below ``size``.

    A square image whose edge is a multiple of ``size`` is averaged over whole blocks (area
    averaging); any other has its short edge resized by antialiased bilinear interpolation and is
    then cropped at the centre.
    """
    _, height, width = image.shape
    if height < size or width < size:
        raise DataError(f"An image of {width}x{height} pixels cannot be enlarged to {size}.")
    if height == width == size:
        return image
    if height == width and height % size == 0:
        pixels = torch.from_numpy(np.ascontiguousarray(image))
        averaged = F.avg_pool2d(pixels[None].double(), height // size)[0]
        return averaged.round().to(torch.uint8).numpy()
    return to_square(image, size)


def to_square(image: np.ndarray, size: int) -> np.ndarray:
    """Bring the short edge of a uint8 image (C, H, W) to ``size``, then crop at the centre.

    Antialiased bilinear interpolation, upwards where the image is smaller.
    """
    if image.shape[1] == image.shape[2] == size:
        return image
    functional = torchvision("transforms.v2.functional")
    # A copy, since Pillow's memory is read-only.
    pixels = torch.from_numpy(np.array(image, order="C"))
    resized = functional.resize(pixels, [size], antialias=True)
    return functional.center_crop(resized, [size, size]).numpy()
