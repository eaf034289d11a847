"""Images in files or byte strings, decoded on demand, whatever their mode and orientation."""

from __future__ import annotations

import struct
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from advdim.data.depth import Depth
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
GREY_MODES = {"1", "L", "LA", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}


class EncodedImages(Images):
    """Encoded images of one split, all grey (``mode`` is ``L``) or all colour (``RGB``).

    With ``native_size``, the short edge of each is brought to it, the rest cropped at the centre.
    """

    mode = "RGB"

    def __init__(
        self, labels: np.ndarray, class_names: list[str], native_size: int | None, depth: Depth
    ) -> None:
        self.labels = np.asarray(labels, dtype=np.int64)
        self.class_names = class_names
        self.native_size = native_size
        self.depth = depth

    @abstractmethod
    def files(self, indices: np.ndarray) -> Iterator[tuple[int, Callable[[], Any], str]]:
        """Yield (place, what opens the image for Pillow, its name), in the order of storage."""

    def visits(self, indices: np.ndarray) -> Iterator[tuple[int, str, Callable[[], np.ndarray]]]:
        """Yield (place in ``indices``, name, what returns its image), in the order of storage."""
        for place, opened, name in self.files(indices):
            yield place, name, partial(self._decoded, opened, name)

    def __getitem__(self, index: int) -> np.ndarray:
        [(_, _, load)] = self.visits(np.array([index]))
        return load()

    def _decoded(self, opened: Callable[[], Any], name: str) -> np.ndarray:
        try:
            with Image.open(opened()) as image:
                array = np.asarray(upright(image, self.mode, self.depth))
        except UnidentifiedImageError:
            raise DataError(f"Image {name} cannot be decoded: it is of no known kind.") from None
        except UNREADABLE as error:
            raise DataError(f"Image {name} cannot be decoded: {error}.") from error
        array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
        return to_square(array, self.native_size) if self.native_size else array

    def verify(self) -> None:
        """Raise DataError where images of 16 bits use few of them."""
        self.depth.verify()

    def grey(self) -> bool:
        """Tell whether every image is grey by its header."""
        for _, opened, _ in self.files(np.arange(len(self))):
            try:
                with Image.open(opened()) as image:
                    if image.mode not in GREY_MODES:
                        return False
            except UNREADABLE:
                # Whoever decodes it will say so.
                continue
        return True


class ImageFiles(EncodedImages):
    """Images in files of their own."""

    def __init__(
        self,
        paths: list[str],
        labels: np.ndarray,
        class_names: list[str],
        native_size: int | None,
        depth: Depth,
    ) -> None:
        super().__init__(labels, class_names, native_size, depth)
        self.paths = paths

    def files(self, indices: np.ndarray) -> Iterator[tuple[int, Callable[[], Any], str]]:
        """Yield (place, what gives the path, the path), in the order asked for."""
        for place, index in enumerate(indices):
            path = self.paths[index]
            # A name that is not valid text can be opened, but not printed.
            name = path.encode(errors="backslashreplace").decode()
            yield place, partial(str, path), name


def share_mode(splits: Mapping[str, EncodedImages]) -> None:
    """Make the images of all splits grey where every one of them is, else colour."""
    mode = "L" if all(images.grey() for images in splits.values()) else "RGB"
    for images in splits.values():
        images.mode = mode


def upright(image: Image.Image, mode: str, depth: Depth) -> Image.Image:
    """Return an image turned as its EXIF data say, as ``L`` or ``RGB`` of eight bits a channel.

    What is transparent is laid on white. Raises ValueError for values outside of their range.
    """
    raw_mode = _raw_mode(image)
    turned = depth.in_eight_bits(ImageOps.exif_transpose(image), raw_mode)
    if "transparency" in turned.info or turned.mode in {"LA", "PA", "RGBA", "La", "RGBa"}:
        layer = turned.convert("RGBA")
        turned = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return turned.convert(mode)


def _raw_mode(image: Image.Image) -> str:
    """Return how the file stores its pixels, as in ``RGB;16B``; known before they are loaded."""
    tiles = getattr(image, "tile", None)
    options = tiles[0].args if tiles else ""
    return str(options[0] if isinstance(options, tuple) and options else options)
