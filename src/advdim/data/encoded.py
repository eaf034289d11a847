"""Images in files or byte strings, decoded on demand, whatever their mode and orientation."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from advdim.data.errors import DataError
from advdim.data.images import Images
from advdim.data.resize import to_square

# What Pillow raises on files that are truncated, of another kind, or made to exhaust the memory.
UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    LookupError,
    AttributeError,
    struct.error,
    Image.DecompressionBombError,
)
GREY_MODES = {"1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N"}


class EncodedImages(Images):
    """Encoded images; ``open_image`` gives a readable source for an index, ``names`` its name.

    All are grey where every one is, else all are colour. With ``native_size``, the short
    edge of each is brought to it and the rest cropped at the centre.
    """

    def __init__(
        self,
        open_image: Callable[[int], Any],
        names: Callable[[int], str],
        labels: np.ndarray,
        class_names: list[str],
        native_size: int | None = None,
    ) -> None:
        self.open_image = open_image
        self.names = names
        self.labels = np.asarray(labels, dtype=np.int64)
        self.class_names = class_names
        self.native_size = native_size

    def __getitem__(self, index: int) -> np.ndarray:
        try:
            with Image.open(self.open_image(index)) as image:
                array = np.asarray(upright(image, self.mode))
        except UNREADABLE as error:
            raise DataError(f"Image {self.names(index)} cannot be decoded: {error}.") from error
        array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
        return to_square(array, self.native_size) if self.native_size else array

    @cached_property
    def mode(self) -> str:
        """``L`` where every image is grey by its header, else ``RGB``."""
        for index in range(len(self)):
            try:
                with Image.open(self.open_image(index)) as image:
                    if image.mode not in GREY_MODES:
                        return "RGB"
            except UNREADABLE:
                # Whoever decodes it will say so.
                continue
        return "L"


def upright(image: Image.Image, mode: str) -> Image.Image:
    """Return an image turned as its EXIF data say, as ``L`` or ``RGB`` of eight bits a channel.

    What is transparent is laid on white.
    """
    turned = ImageOps.exif_transpose(image)
    if turned.mode.startswith("I"):
        # Sixteen bits: Pillow itself would cut at 255.
        levels = np.asarray(turned).astype(np.int64) >> 8
        turned = Image.fromarray(levels.clip(0, 255).astype(np.uint8))
    if "transparency" in turned.info or turned.mode in {"LA", "PA", "RGBA", "La", "RGBa"}:
        layer = turned.convert("RGBA")
        turned = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return turned.convert(mode)
