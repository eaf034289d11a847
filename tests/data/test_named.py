"""Datasets by name: torchvision's readers on tiny files in the datasets' own formats."""

import hashlib
import json
import pickle
import typing

import numpy as np
import pytest
import scipy.io
from PIL import Image
from pydantic import ValidationError

from advdim.config import load
from advdim.config.data import Augmentation, TorchvisionDataset
from advdim.config.data.named import PUBLISHED
from advdim.data.errors import DataError
from advdim.data.prepare import prepare
from advdim.data.sources import open_source
from advdim.data.torchvision_import import torchvision

COUNTS = {"train": 20, "test": 6}


def pixels(split: str, shape: tuple[int, ...]) -> np.ndarray:
    random = np.random.default_rng(len(split))
    return random.integers(0, 256, (COUNTS[split], *shape), np.uint8)


def md5(path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_cifar100(root, patch):
    """Write pickled rows of channels; labels of the fine kind."""
    folder = root / "cifar-100-python"
    folder.mkdir()
    reader = torchvision("datasets").CIFAR100
    for split in COUNTS:
        rows = pixels(split, (3, 32, 32))
        content = {
            "data": rows.reshape(len(rows), -1),
            "fine_labels": [k % 100 for k in range(len(rows))],
            "coarse_labels": [0] * len(rows),
        }
        (folder / split).write_bytes(pickle.dumps(content))
        patch.setattr(reader, f"{split}_list", [[split, md5(folder / split)]])
    names = {"fine_label_names": [f"class{k}" for k in range(100)]}
    (folder / "meta").write_bytes(pickle.dumps(names))
    patch.setattr(reader, "meta", {**reader.meta, "md5": md5(folder / "meta")})
    return folder / "train"


def write_svhn(root, patch):
    """Write MATLAB files with the images along the last axis and digit 0 as label 10."""
    reader = torchvision("datasets").SVHN
    files = {}
    for split, count in COUNTS.items():
        path = root / f"{split}_32x32.mat"
        labels = np.array([k % 10 or 10 for k in range(count)], np.uint8)[:, None]
        images = pixels(split, (3, 32, 32)).transpose(2, 3, 1, 0)
        scipy.io.savemat(path, {"X": images, "y": labels})
        files[split] = ["none", path.name, md5(path)]
    patch.setattr(reader, "split_list", files)
    return root / "train_32x32.mat"


def write_stl10(root, patch):
    """Write bytes by channel and column; labels from 1."""
    folder = root / "stl10_binary"
    folder.mkdir()
    reader = torchvision("datasets").STL10
    for split, count in COUNTS.items():
        images = pixels(split, (3, 96, 96)).transpose(0, 1, 3, 2)
        (folder / f"{split}_X.bin").write_bytes(np.ascontiguousarray(images).tobytes())
        labels = np.array([1 + k % 10 for k in range(count)], np.uint8)
        (folder / f"{split}_y.bin").write_bytes(labels.tobytes())
        names = [f"{split}_{part}.bin" for part in "Xy"]
        patch.setattr(reader, f"{split}_list", [[name, md5(folder / name)] for name in names])
    (folder / "class_names.txt").write_text("\n".join(f"class{k}" for k in range(10)))
    return folder / "train_X.bin"


WRITERS = {
    "CIFAR100": (write_cifar100, 32, [f"class{k}" for k in range(100)]),
    "SVHN": (write_svhn, 32, [str(k) for k in range(10)]),
    "STL10": (write_stl10, 96, [f"class{k}" for k in range(10)]),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_dataset_is_read_from_its_own_files(name, tmp_path, monkeypatch):
    write, edge, names = WRITERS[name]
    write(tmp_path, monkeypatch)
    dataset = TorchvisionDataset(source="torchvision", name=name, root=tmp_path, download=False)
    assert dataset.missing() is None
    assert dataset.native_edge == edge
    splits = open_source(dataset)
    for split, count in COUNTS.items():
        images = splits[split]
        assert images.class_names == names
        assert images.labels.tolist() == [k % len(names) for k in range(count)]
        for index, image in enumerate(pixels(split, (3, edge, edge))):
            assert np.array_equal(images[index], image)


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_differs_from_its_checksum_is_refused(name, tmp_path, monkeypatch):
    file = WRITERS[name][0](tmp_path, monkeypatch)
    file.write_bytes(file.read_bytes() + b"\0")
    dataset = TorchvisionDataset(source="torchvision", name=name, root=tmp_path, download=False)
    with pytest.raises(
        DataError, match=rf"{name} cannot be read from '.*': Dataset not found or c"
    ):
        open_source(dataset)


@pytest.fixture
def imagenette(tmp_path):
    random = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 2)):
        for number, wnid in enumerate(("n01440764", "n02102040", "n02979186")):
            folder = tmp_path / "imagenette2-160" / split / wnid
            folder.mkdir(parents=True)
            for k in range(count):
                image = random.integers(0, 256, (160, 170 + 10 * k + number, 3), np.uint8)
                Image.fromarray(image).save(folder / f"{wnid}_{k}.JPEG")
    return tmp_path


def test_imagenette_is_photographs_of_many_sizes(imagenette):
    dataset = TorchvisionDataset(
        source="torchvision", name="Imagenette", root=imagenette, download=False, native_size=64
    )
    assert dataset.missing() is None
    made, _ = prepare(dataset, "mine", 32)
    assert made.class_names == ["tench", "English springer", "cassette player"]
    assert {split: tuple(images.shape) for split, images in made.images.items()} == {
        "train": (11, 3, 32, 32),
        "validation": (1, 3, 32, 32),
        "test": (6, 3, 32, 32),
    }


@pytest.mark.parametrize(
    ("edge", "archive", "place"),
    [
        (64, "160px", "imagenette2-160"),
        (256, "320px", "imagenette2-320"),
        (512, "full", "imagenette2"),
    ],
)
def test_imagenette_comes_in_the_smallest_archive_that_suffices(edge, archive, place, tmp_path):
    dataset = TorchvisionDataset(
        source="torchvision", name="Imagenette", root=tmp_path, download=False, native_size=edge
    )
    assert dataset.archive == archive
    assert dataset.missing() == f"root {str(tmp_path)!r} has no {place!r}, and download is false"


def test_names_follow_from_the_dataset_s_key(raw_config):
    raw_config["experiments"]["dimension"] |= {"sizes": [64]}
    for key, name in {
        "cifar100": "CIFAR100",
        "CIFAR-100": "CIFAR100",
        "svhn": "SVHN",
        "stl10": "STL10",
        "imagenette": "Imagenette",
        "fashion-mnist": "FashionMNIST",
    }.items():
        raw_config["datasets"][key] = {"source": "torchvision"}
        assert load(raw_config).datasets[key].name == name


DEFAULTS = {
    "CIFAR10": (0, False),
    "CIFAR100": (4, True),
    "MNIST": (0, False),
    "FashionMNIST": (0, False),
    "SVHN": (4, False),
    "STL10": (12, True),
    "Imagenette": (0, True),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_defaults_of_augmentation(name):
    padding, flip = DEFAULTS[name]
    dataset = TorchvisionDataset(source="torchvision", name=name)
    assert dataset.augmentation == Augmentation(crop_padding=padding, flip=flip)
    asked = TorchvisionDataset(source="torchvision", name=name, augmentation={"crop_padding": 1})
    assert asked.augmentation == Augmentation(crop_padding=1)
    assert dataset.normalisation is None


def test_the_papers_datasets_keep_the_settings_of_their_pixels():
    """Neither more names nor another place of the files makes what is prepared out of date."""
    dataset = TorchvisionDataset(source="torchvision", name="CIFAR10")
    assert json.loads(dataset.pixel_settings()).keys() == {
        *("name", "normalisation", "source", "test_images", "train_images"),
        "validation_fraction",
    }


def test_every_name_is_published_and_known_to_torchvision():
    names = typing.get_args(TorchvisionDataset.model_fields["name"].annotation)
    assert set(names) == set(PUBLISHED)
    assert all(hasattr(torchvision("datasets"), name) for name in names)


def test_a_native_size_is_for_photographs_only():
    with pytest.raises(ValidationError, match="images of CIFAR100 have 32 pixels"):
        TorchvisionDataset(source="torchvision", name="CIFAR100", native_size=64)
    assert TorchvisionDataset(source="torchvision", name="Imagenette").native_edge == 160
