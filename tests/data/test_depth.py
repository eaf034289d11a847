"""Images of 16 bits and of floating-point numbers: scaled by their type, or refused."""

import io

import numpy as np
import pytest
from PIL import Image

from advdim.config.data import FolderDataset
from advdim.data.depth import Depth
from advdim.data.encoded import upright
from advdim.data.errors import DataError
from advdim.data.prepare import prepare

EDGE = 12


@pytest.fixture
def folder(tmp_path):
    """Write grey values (N, EDGE, EDGE) as they are; return the settings that read them."""

    def make(values, suffix="tif", **settings):
        for number, image in enumerate(values):
            split, name = ("train", "test")[number % 2], "ab"[number // 2 % 2]
            place = tmp_path / split / name
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(place / f"{number}.{suffix}")
        return FolderDataset(source="folder", root=tmp_path, **settings)

    return make


def values(top: float, kind: str) -> np.ndarray:
    """Eight images whose largest value is ``top``."""
    shares = np.random.default_rng(0).random((8, EDGE, EDGE))
    shares.flat[:: EDGE**2] = 1
    return (shares * top).astype(kind)


def stored(dataset) -> np.ndarray:
    pixels, _ = prepare(dataset, "mine", EDGE)
    return np.concatenate([pixels.images[split].numpy() for split in pixels.images])[:, 0]


def expected(images: np.ndarray, top: float) -> list[bytes]:
    return sorted(np.rint(image * (255 / top)).astype(np.uint8).tobytes() for image in images)


SCALED = [
    ("uint16", 65535, "png", {}, 65535),
    ("uint16", 65535, "tif", {}, 65535),
    ("uint16", 40000, "png", {}, 65535),
    ("uint16", 4095, "png", {"bits": 12}, 4095),
    ("uint16", 255, "png", {"bits": 8}, 255),
    ("uint16", 4095, "png", {"bits": 16}, 65535),
    ("int32", 65535, "tif", {}, 65535),
    ("float32", 1.0, "tif", {}, 1),
    ("float32", 0.5, "tif", {}, 1),
]


@pytest.mark.parametrize(("kind", "top", "suffix", "settings", "scale"), SCALED)
def test_values_are_scaled_by_their_type(folder, kind, top, suffix, settings, scale):
    images = values(top, kind)
    found = stored(folder(images, suffix, **settings))
    assert sorted(image.tobytes() for image in found) == expected(images, scale)


REFUSED = [
    ("uint16", 4095, "png", {}, r"16-bit images reach 4095 of 65535, 12 bits.*'bits: 12'"),
    ("uint16", 255, "png", {}, r"reach 255 of 65535, 8 bits.*'bits: 8' scales by 255, 'bits: 16'"),
    ("uint16", 5000, "png", {"bits": 12}, r"\.png cannot be decoded: .*not 0 to 4095"),
    ("int32", 70000, "tif", {}, r"\.tif cannot be decoded: its integers go from \d+ to 70000, not"),
    ("int32", -5, "tif", {}, r"its integers go from -5 to 0, not 0 to 65535"),
    (
        "float32",
        255,
        "tif",
        {},
        r"\.tif cannot be decoded: its floating-point values go from .* 255",
    ),
    ("float32", -0.1, "tif", {}, r"its floating-point values go from -0\.1 to"),
]


@pytest.mark.parametrize(("kind", "top", "suffix", "settings", "sentence"), REFUSED)
def test_values_outside_of_their_range_are_refused(folder, kind, top, suffix, settings, sentence):
    with pytest.raises(DataError, match=sentence):
        stored(folder(values(top, kind), suffix, **settings))


def test_what_is_no_number_is_refused(folder):
    images = values(1.0, "float32")
    images[:, 2, 2] = np.nan
    with pytest.raises(DataError, match="its floating-point values go from nan to nan, not 0 to 1"):
        stored(folder(images))


def test_one_dark_image_among_others_is_no_reason_to_refuse(folder):
    images = values(65535, "uint16")
    images[3] //= 100
    assert stored(folder(images, "png")).max() == 255


def sixteen_bit_png(pixels: list[list[int]]) -> io.BytesIO:
    """A PNG of 2 x 2 pixels of 16 bits in two to four bands, which Pillow only reads."""
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    kind = {2: 4, 3: 2, 4: 6}[len(pixels[0])]
    rows = [pixels[0] + pixels[1], pixels[2] + pixels[3]]
    content = b"".join(b"\0" + struct.pack(f">{len(row)}H", *row) for row in rows)
    header = struct.pack(">IIBBBBB", 2, 2, 16, kind, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(content)), (b"IEND", b"")
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))


def colour_png(top: int) -> io.BytesIO:
    """A PNG of 16-bit colour."""
    return sixteen_bit_png([[top, 0, top // 2], [0, top, 0]] * 2)


def test_sixteen_bit_colour_is_seen_as_well():
    depth = Depth()
    whole = np.asarray(upright(Image.open(colour_png(65535)), "RGB", depth))
    assert whole[0].tolist() == [[255, 0, 127], [0, 255, 0]]
    depth.verify()
    dark = Depth()
    upright(Image.open(colour_png(4095)), "RGB", dark)
    with pytest.raises(DataError, match="12 bits"):
        dark.verify()
    with pytest.raises(DataError, match="scales by 65535; for more, convert them to 8 bits"):
        dark.verify()
    with pytest.raises(ValueError, match="16-bit colour, of which the upper 8 bits are read"):
        upright(Image.open(colour_png(4095)), "RGB", Depth(12))


@pytest.mark.parametrize("colours", [1, 3])
def test_an_opaque_alpha_hides_no_few_bits(colours):
    opaque = sixteen_bit_png([[1023] * colours + [65535]] * 4)
    depth = Depth()
    upright(Image.open(opaque), "RGB", depth)
    with pytest.raises(DataError, match="reach 1023 of 65535, 10 bits"):
        depth.verify()
    whole = Depth()
    upright(Image.open(sixteen_bit_png([[65535] * colours + [0]] * 4)), "RGB", whole)
    whole.verify()
