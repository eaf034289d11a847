import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from safetensors import safe_open
from sklearn.datasets import load_sample_images

from advdim.config.data import FolderDataset, PhotographsDataset
from advdim.data.decoding import Decoder
from advdim.data.depth import Depth
from advdim.data.encoded import upright
from advdim.data.errors import DataError
from advdim.data.pixels import load_pixels, save_pixels
from advdim.data.prepare import prepare
from advdim.data.resize import shrink, to_square
from advdim.data.sources import open_source
from advdim.tensor_files import stream_tensors

EDGE = 48
ROTATED = 6  # EXIF: turn by 90 degrees clockwise


@pytest.fixture(scope="module")
def photographs():
    return [Image.fromarray(array) for array in load_sample_images().images]


def in_every_mode(photograph: Image.Image) -> dict[str, bytes]:
    """One photograph as files of every kind that turns up in real folders."""
    exif = Image.Exif()
    exif[0x0112] = ROTATED
    transparent = photograph.convert("RGBA")
    transparent.putalpha(128)
    sixteen = Image.fromarray(np.asarray(photograph.convert("L")).astype(np.uint16) * 257)
    images = {
        "plain.jpg": (photograph, {}),
        "grey.png": (photograph.convert("L"), {}),
        "palette.png": (photograph.quantize(64), {}),
        "cmyk.jpg": (photograph.convert("CMYK"), {}),
        "alpha.png": (transparent, {}),
        "sixteen.png": (sixteen, {}),
        "turned.jpg": (photograph.transpose(Image.Transpose.ROTATE_90), {"exif": exif}),
        "bits.png": (photograph.convert("1"), {}),
    }
    encoded = {}
    for name, (image, options) in images.items():
        buffer = io.BytesIO()
        image.save(buffer, name.split(".")[1].replace("jpg", "jpeg"), **options)
        encoded[name] = buffer.getvalue()
    return encoded


@pytest.fixture
def folder(tmp_path, photographs):
    for split in ("train", "test"):
        for name, photograph in zip(("china", "flower"), photographs, strict=True):
            place = tmp_path / split / name
            place.mkdir(parents=True)
            small = photograph.resize((96 + 7 * len(name), 64))
            seen = small if split == "train" else ImageOps.mirror(small)
            for number, (file, content) in enumerate(in_every_mode(seen).items()):
                (place / f"{number}_{file}").write_bytes(content)
    return tmp_path


def broken(folder: Path) -> list[Path]:
    """Add what cannot be decoded: cut short, of another kind, empty."""
    place = folder / "train" / "china"
    whole = (place / "0_plain.jpg").read_bytes()
    files = {"cut.jpg": whole[: len(whole) // 2], "text.jpg": b"not an image", "empty.png": b""}
    for name, content in files.items():
        (place / name).write_bytes(content)
    (place / "notes.txt").write_text("no image by its name")
    (place / "folder.jpg").mkdir()
    return [place / name for name in files]


def dataset(root, **settings):
    return FolderDataset(source="folder", root=root, native_size=EDGE, **settings)


def test_every_mode_becomes_the_same_upright_photograph(photographs):
    photograph = photographs[0].resize((96, 64))
    reference = np.asarray(photograph).astype(float)
    files = in_every_mode(photograph)
    found = {
        name: np.asarray(upright(Image.open(io.BytesIO(content)), "RGB", Depth())).astype(float)
        for name, content in files.items()
    }
    for name, array in found.items():
        assert array.shape == reference.shape, name
    for name in ("plain.jpg", "turned.jpg", "palette.png", "cmyk.jpg"):
        assert np.abs(found[name] - reference).mean() < 10, name
    grey = np.asarray(photograph.convert("L")).astype(float)
    for name in ("grey.png", "sixteen.png"):
        assert np.abs(found[name][..., 0] - grey).max() <= 1, name
    np.testing.assert_allclose(found["alpha.png"], (reference + 255) / 2, atol=2)


def test_a_folder_of_all_modes_gives_square_colour_images(folder):
    pixels, account = prepare(dataset(folder), "mine", EDGE)
    assert pixels.class_names == ["china", "flower"]
    assert pixels.images["train"].shape[1:] == (3, EDGE, EDGE)
    assert sum(map(len, pixels.labels.values())) == 32
    assert account == {"resizing": "identity"}


def test_smaller_sizes_are_averages_of_the_native_square(folder):
    large, _ = prepare(dataset(folder), "mine", EDGE)
    small, account = prepare(dataset(folder), "mine", EDGE // 4)
    assert account["resizing"] == "area averaging by 4"
    for split in ("train", "test"):
        averaged = torch.nn.functional.avg_pool2d(large.images[split].double(), 4).round()
        assert torch.equal(small.images[split].double(), averaged)


def test_a_folder_of_grey_images_is_grey(tmp_path, photographs):
    for split in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(3):
                angle = 10 * len(split) + 30 * ord(name) + number
                turned = photographs[0].convert("L").rotate(angle)
                turned.save(tmp_path / split / name / f"{number}.png")
    pixels, _ = prepare(dataset(tmp_path), "mine", EDGE)
    assert pixels.channels == 1


def test_a_corrupt_image_is_refused_and_named(folder):
    broken(folder)
    with pytest.raises(DataError, match=r"'mine': Image .*(cut|text|empty)\.\w+ cannot be decoded"):
        prepare(dataset(folder), "mine", EDGE)


def test_corrupt_images_are_left_out_and_reported(folder):
    whole, _ = prepare(dataset(folder), "mine", EDGE)
    names = [str(path) for path in broken(folder)]
    pixels, account = prepare(dataset(folder, corrupt="skip"), "mine", EDGE)
    assert account["skipped"] == 3
    assert all(any(name in line for line in account["skipped_first"]) for name in names)
    assert sum(map(len, pixels.labels.values())) == sum(map(len, whole.labels.values()))
    for split in ("train", "validation", "test"):
        assert len(pixels.labels[split]) == len(pixels.images[split])


def test_the_number_of_threads_changes_nothing(folder):
    broken(folder)
    settings = dataset(folder, corrupt="skip")
    one, several = (prepare(settings, "mine", 24, threads=n)[0] for n in (1, 3))
    for split in ("train", "validation", "test"):
        assert torch.equal(one.images[split], several.images[split])
        assert torch.equal(one.labels[split], several.labels[split])


def test_large_arrays_live_in_a_file_and_are_the_same(folder, tmp_path, monkeypatch):
    in_memory, _ = prepare(dataset(folder), "mine", EDGE)
    monkeypatch.setattr("advdim.data.decoding.IN_MEMORY", 0)
    mapped, _ = prepare(dataset(folder), "mine", EDGE, scratch=tmp_path)
    assert isinstance(Decoder(8, scratch=tmp_path)._room((2, 3)), np.memmap)
    save_pixels(tmp_path / "pixels.safetensors", mapped, {})
    loaded = load_pixels(tmp_path / "pixels.safetensors")
    for split in ("train", "validation", "test"):
        assert torch.equal(loaded.images[split], in_memory.images[split])
    assert loaded.normalisation == in_memory.normalisation


def test_the_measured_normalisation_is_that_of_all_pixels(folder):
    pixels, _ = prepare(dataset(folder), "mine", EDGE)
    values = pixels.images["train"].double() / 255
    np.testing.assert_allclose(pixels.normalisation.mean, values.mean((0, 2, 3)), atol=1e-4)
    np.testing.assert_allclose(pixels.normalisation.std, values.std((0, 2, 3)), atol=1e-4)


def test_streamed_files_are_safetensors(tmp_path):
    tensors = {
        "b.labels": torch.arange(5),
        "a.images": torch.arange(2100 * 3, dtype=torch.uint8).view(2100, 3).T.contiguous().T,
    }
    stream_tensors(tmp_path / "file", tensors, {"x": 1})
    with safe_open(tmp_path / "file", framework="pt") as file:
        assert json.loads(file.metadata()["advdim"]) == {"x": 1}
        for name, tensor in tensors.items():
            assert torch.equal(file.get_tensor(name), tensor)


def test_folders_merge_into_classes(folder):
    (folder / "train/flower").rename(folder / "train/rose")
    (folder / "test/flower").rename(folder / "test/rose")
    for split in ("train", "test"):
        extra = folder / split / "tulip"
        extra.mkdir()
        for file in (folder / split / "rose").iterdir():
            (extra / file.name).write_bytes(file.read_bytes())
    settings = dataset(folder, classes={"plant": ["rose", "tulip"], "place": ["china"]})
    source = open_source(settings)["train"]
    assert source.class_names == ["plant", "place"]
    assert np.bincount(source.labels).tolist() == [16, 8]
    assert settings.image_counts() == (24, 24)
    wrong = dataset(folder, classes={"plant": ["rose", "lily"]})
    assert "classes.plant names 'lily'" in wrong.missing()


def lists(folder: Path, **classes) -> Path:
    """Write lists as the authors publish theirs: SPLIT/CLASS.txt with paths."""
    place = folder / "lists"
    for key, paths in classes.items():
        split, name = key.split("_")
        (place / split).mkdir(parents=True, exist_ok=True)
        (place / split / f"{name}.txt").write_text(
            "# comment\r\n" + "\r\n".join(paths) + "\r\n\r\n"
        )
    return place


def paths_of(folder, split, name):
    return [str(path.relative_to(folder)) for path in sorted((folder / split / name).iterdir())]


def test_lists_name_the_photographs_of_each_class(folder):
    china, flower = (paths_of(folder, "train", name) for name in ("china", "flower"))
    place = lists(
        folder, train_a=china[:5], train_b=flower, test_a=china[5:],
        test_b=paths_of(folder, "test", "flower"),
    )  # fmt: skip
    settings = dataset(folder, lists=place)
    splits = open_source(settings)
    assert np.bincount(splits["train"].labels).tolist() == [5, 8]
    assert np.bincount(splits["test"].labels).tolist() == [3, 8]
    assert settings.missing() is None
    assert len(settings.files()) == 4


@pytest.mark.parametrize("overlaps", ["refuse", "drop", "keep"])
def test_overlaps_are_found(folder, overlaps):
    china, flower = (paths_of(folder, "train", name) for name in ("china", "flower"))
    # Two photographs of the test list are in train, one is in two classes.
    place = lists(
        folder, train_a=china, train_b=[*flower, china[7]], test_a=china[:2],
        test_b=paths_of(folder, "test", "flower"),
    )  # fmt: skip
    settings = dataset(folder, lists=place, overlaps=overlaps)
    if overlaps == "refuse":
        with pytest.raises(DataError, match=r"2 photographs in train and in test, 1 in sev"):
            open_source(settings)
        return
    splits = open_source(settings)
    assert splits["train"].remark.startswith("2 photographs in train and in test, 1 in sev")
    expected = {"drop": [6, 8], "keep": [8, 9]}[overlaps]
    assert np.bincount(splits["train"].labels).tolist() == expected
    assert np.bincount(splits["test"].labels).tolist() == [2, 8]


def test_a_listed_file_that_is_not_there_is_named(folder):
    place = lists(
        folder, train_a=["train/china/none.jpg"], test_a=paths_of(folder, "test", "china")
    )
    with pytest.raises(DataError, match=r"name 1 files that do not exist, first '.*none\.jpg'"):
        open_source(dataset(folder, lists=place))


def test_splits_with_other_classes_are_refused(folder):
    (folder / "test/flower").rename(folder / "test/tree")
    with pytest.raises(DataError, match="differ in their classes"):
        open_source(dataset(folder))


def test_the_shipped_photographs_in_tiles():
    settings = PhotographsDataset(source="photographs")
    splits = open_source(settings)
    assert splits["train"].class_names == ["china", "flower"]
    assert settings.image_counts() == (len(splits["train"]), len(splits["test"]))
    photograph = load_sample_images().images[1].transpose(2, 0, 1)
    last = splits["test"][len(splits["test"]) - 1]
    rows = (427 - 64) // 16 * 16
    columns = 448 + (192 - 64) // 16 * 16
    assert np.array_equal(last, photograph[:, rows : rows + 64, columns : columns + 64])


def test_small_images_are_enlarged_to_the_native_square_only():
    image = np.full((3, 20, 30), 7, np.uint8)
    assert (to_square(image, 32) == 7).all()
    with pytest.raises(DataError, match="cannot be enlarged"):
        shrink(image, 32)


MEMORY = """
import resource, sys
from pathlib import Path
from advdim.config.data import FolderDataset
from advdim.data.pixels import save_pixels
from advdim.data.prepare import prepare
from advdim.data.torchvision_import import torchvision
torchvision("transforms.v2.functional")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
root = Path(sys.argv[1])
pixels, _ = prepare(FolderDataset(source="folder", root=root, native_size=256), "mine", 256)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(sum(images.nbytes for images in pixels.images.values()) / 1024, after - before)
"""


def test_decoding_takes_little_more_memory_than_the_pixels(folder):
    """What is decoded at a time does not grow with the number of images."""
    for split, count in (("train", 300), ("test", 10)):
        place = folder / split / "china"
        content = (place / "0_plain.jpg").read_bytes()
        for number in range(count):
            (place / f"copy{number}.jpg").write_bytes(content)
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, str(folder)], capture_output=True, text=True, check=True
    )
    pixels, grown = map(float, run.stdout.split())
    assert pixels > 60_000
    assert grown < pixels + 60_000


def test_one_colour_photograph_among_grey_ones_makes_all_colour(tmp_path, photographs):
    for split in ("train", "test"):
        (tmp_path / split / "a").mkdir(parents=True)
        for number in range(120):
            level = 255 - number if split == "test" else number
            Image.new("L", (8, 8), level).save(tmp_path / split / f"a/{number:03}.png")
    photographs[0].resize((8, 8)).save(tmp_path / "train/a/001.png")
    splits = open_source(FolderDataset(source="folder", root=tmp_path))
    assert [source.mode for source in splits.values()] == ["RGB", "RGB"]


def test_malformed_metadata_is_a_corrupt_image_not_a_traceback(folder):
    file = folder / "train/china/0_plain.jpg"
    whole = file.read_bytes()
    # An EXIF block that says big-endian and then ends.
    block = b"Exif\0\0MM\0*\0\0\0\x08\0\x05"
    file.write_bytes(
        whole[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + whole[2:]
    )
    pixels, account = prepare(dataset(folder, corrupt="skip"), "mine", EDGE)
    assert sum(map(len, pixels.labels.values())) + account.get("skipped", 0) == 32


def test_lists_from_other_systems(folder):
    china = paths_of(folder, "train", "china")
    place = lists(folder, train_a=china, test_a=paths_of(folder, "test", "china"))
    windows = "\r\n".join(path.replace("/", "\\") for path in china)
    (place / "train/a.txt").write_bytes(b"\xef\xbb\xbf" + windows.encode())
    assert len(open_source(dataset(folder, lists=place))["train"]) == 8
    (place / "train/a.txt").write_bytes("caf\xe9.jpg".encode("latin-1"))
    with pytest.raises(DataError, match=r"train/a\.txt' is not UTF-8"):
        open_source(dataset(folder, lists=place))
