"""Datasets that torchvision downloads, checks and reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from advdim.config.data import TorchvisionDataset
from advdim.data.depth import Depth
from advdim.data.encoded import ImageFiles
from advdim.data.errors import DataError
from advdim.data.images import ArrayImages, Images
from advdim.data.torchvision_import import torchvision


def open_torchvision(dataset: TorchvisionDataset) -> dict[str, Images]:
    """Return both splits; raises DataError where files are missing, or differ from the checksum."""
    readers = {"SVHN": _svhn, "STL10": _stl10, "Imagenette": _imagenette}
    read = readers.get(dataset.name, _trained_or_not)
    root = dataset.root.expanduser()
    if dataset.download:
        root.mkdir(parents=True, exist_ok=True)
    try:
        return {split: read(dataset, root, split) for split in ("train", "test")}
    except (RuntimeError, OSError) as error:
        raise DataError(f"{dataset.name} cannot be read from {str(root)!r}: {error}") from error


def _constructor(dataset: TorchvisionDataset) -> Any:
    return getattr(torchvision("datasets"), dataset.name)


def _trained_or_not(dataset: TorchvisionDataset, root: Path, split: str) -> Images:
    """Read CIFAR and MNIST, whose constructors ask whether to train."""
    data = _constructor(dataset)(root, train=split == "train", download=dataset.download)
    pixels = np.asarray(data.data)
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    return ArrayImages(pixels, np.asarray(data.targets), list(data.classes))


def _svhn(dataset: TorchvisionDataset, root: Path, split: str) -> Images:
    data = _constructor(dataset)(root, split=split, download=dataset.download)
    return ArrayImages(data.data, data.labels, [str(digit) for digit in range(10)])


def _stl10(dataset: TorchvisionDataset, root: Path, split: str) -> Images:
    """Read the labelled images; the 100,000 without a label are left out."""
    data = _constructor(dataset)(root, split=split, download=dataset.download)
    names = getattr(data, "classes", None) or map(str, range(10))
    return ArrayImages(data.data, data.labels, list(names))


def _imagenette(dataset: TorchvisionDataset, root: Path, split: str) -> Images:
    """Read the photographs of Imagenette, whose test images are called ``val``."""
    data = _constructor(dataset)(
        root,
        split="train" if split == "train" else "val",
        size=dataset.archive,
        download=dataset.download,
    )
    paths, labels = zip(*data._samples, strict=True)
    names = [first for first, *_ in data.classes]
    return ImageFiles(list(paths), np.array(labels), names, dataset.native_size, Depth())
