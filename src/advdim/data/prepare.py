"""From a dataset's images to the stored pixels of one size: chosen, decoded, resized, split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from advdim.config.data import LEAST_TRAINED, AnyDataset, FolderDataset
from advdim.data.decoding import Decoder, Example
from advdim.data.errors import DataError
from advdim.data.images import Images
from advdim.data.pixels import Pixels
from advdim.data.resize import replication_factor
from advdim.data.sources import open_source
from advdim.data.sources.folder import open_folder
from advdim.streams import stream_seed
from advdim.units import Normalisation
from advdim.words import counted


def prepare(
    dataset: AnyDataset, name: str, size: int, threads: int = 1, scratch: Path | None = None
) -> tuple[Pixels, dict[str, object]]:
    """Decode, choose, resize and split a dataset; return its pixels and an account of it.

    The account says what the resizing was and which images were left out. The choice of images
    and the validation split depend on the dataset's name, on how many images there are and on how
    many are asked for, so they are the same at every size and for every cell. Large arrays live in
    nameless files in ``scratch``. Raises DataError.
    """
    try:
        return _prepare(dataset, name, size, threads, scratch)
    except DataError as error:
        raise DataError(f"Dataset {name!r}: {error}") from error


def _prepare(
    dataset: AnyDataset, name: str, size: int, threads: int, scratch: Path | None
) -> tuple[Pixels, dict[str, object]]:
    sources = open_source(dataset)
    rows = _rows(dataset, name, sources)
    skip = getattr(dataset, "corrupt", "refuse") == "skip"
    example = _example(sources["train"], rows["train"], skip)
    factor = copies_per_axis(example.shape, size)
    images, labels, kept = {}, {}, {}
    decoder = Decoder(size // factor, skip, threads, scratch, example)
    for split, indices in rows.items():
        source = sources["test" if split == "test" else "train"]
        stacked, kept[split] = decoder.stack(source, indices)
        images[split] = torch.from_numpy(stacked)
        labels[split] = torch.from_numpy(source.labels[kept[split]])
        if split == "train" and len(stacked) < LEAST_TRAINED:
            raise DataError(
                f"there is {counted(len(stacked), 'image')} to train on; at least {LEAST_TRAINED} "
                "are needed."
            )
    _refuse_lost_classes(sources, rows, kept)
    normalisation = (
        Normalisation(dataset.normalisation.mean, dataset.normalisation.std)
        if dataset.normalisation
        else _measured_normalisation(images["train"])
    )
    channels = images["train"].shape[1]
    if len(normalisation.mean) != channels:
        raise DataError(
            f"'normalisation' has {len(normalisation.mean)} values per statistic, but the images "
            f"have {channels} channels."
        )
    pixels = Pixels(images, labels, sources["train"].class_names, normalisation, factor)
    account: dict[str, object] = {"resizing": _describe_resizing(example.shape, size, factor)}
    if sources["train"].remark:
        account["overlaps"] = sources["train"].remark
    if decoder.skipped:
        account |= {"skipped": len(decoder.skipped), "skipped_first": decoder.skipped[:20]}
    return pixels, account


def _rows(dataset: AnyDataset, name: str, sources: dict[str, Images]) -> dict[str, np.ndarray]:
    """Return which images are used, by the split that they are stored in."""
    train = _subset(name, "train", sources["train"], dataset.train_images)
    test = _subset(name, "test", sources["test"], dataset.test_images)
    held_out = dataset.held_out(len(train))
    if held_out >= len(train):
        raise DataError("there are too few training images to hold any out.")
    return {"train": train[held_out:], "validation": train[:held_out], "test": test}


def _example(images: Images, indices: np.ndarray, skip: bool) -> Example:
    """Return one of these images that can be decoded: all others must have its size."""
    for _, name, load in images.visits(indices):
        try:
            return Example(name, load().shape)
        except DataError:
            if not skip:
                raise
    raise DataError("no training image can be decoded.")


def decoded_shape(dataset: AnyDataset, name: str) -> tuple[int, ...]:
    """Return the shape (C, H, W) of a dataset's images before they are resized, seen on one.

    Photographs are not compared with each other, which would read all. Raises DataError where it
    cannot be decoded.
    """
    if isinstance(dataset, FolderDataset):
        sources = open_folder(dataset, compared=False)
    else:
        sources = open_source(dataset)
    skip = getattr(dataset, "corrupt", "refuse") == "skip"
    return _example(sources["train"], _rows(dataset, name, sources)["train"], skip).shape


def copies_per_axis(shape: tuple[int, ...], size: int) -> int:
    """Return how often pixels are copied per axis, 1 where images become smaller.

    Raises DataError where copying does not reach the size.
    """
    _, height, width = shape
    factor = (replication_factor(height, size) if height == width else None) or 1
    if factor == 1 and size > min(height, width):
        raise DataError(
            f"images have {width}x{height} pixels: size {size} is no multiple, and only whole "
            "multiples can be reached by copying pixels."
        )
    return factor


def _refuse_lost_classes(
    sources: dict[str, Images], rows: dict[str, np.ndarray], kept: dict[str, np.ndarray]
) -> None:
    """Raise DataError where a class has lost images to ``skip`` and has none left in a split."""
    for split, parts in (("train", ("train", "validation")), ("test", ("test",))):
        source = sources[split]
        skipped = np.concatenate([np.setdiff1d(rows[part], kept[part]) for part in parts])
        lost = np.setdiff1d(source.labels[skipped], source.labels[kept[split]])
        if len(lost):
            raise DataError(
                f"'corrupt: skip' leaves no image of class {source.class_names[lost[0]]!r} in "
                f"{split!r}."
            )


def _subset(name: str, split: str, images: Images, limit: int | None) -> np.ndarray:
    """Return a fixed random order of a split's images, cut at ``limit``."""
    random = np.random.default_rng(stream_seed(name, split, "subset"))
    return random.permutation(len(images))[:limit]


def _measured_normalisation(images: torch.Tensor) -> Normalisation:
    """Return mean and standard deviation per channel, from the exact counts of the 256 levels."""
    levels = torch.arange(256, dtype=torch.float64) / 255
    mean, std = [], []
    for channel in range(images.shape[1]):
        counts = torch.zeros(256, dtype=torch.float64)
        for part in images.split(1024):
            counts += torch.bincount(part[:, channel].flatten(), minlength=256)
        share = counts / counts.sum()
        average = float(share @ levels)
        variance = float(share @ (levels - average) ** 2)
        mean.append(round(average, 4))
        std.append(max(round(variance**0.5, 4), 1e-4))
    return Normalisation(tuple(mean), tuple(std))


def _describe_resizing(original: tuple[int, ...], size: int, factor: int) -> str:
    _, height, width = original
    if factor > 1:
        return f"replication by {factor}"
    if height == width == size:
        return "identity"
    if height == width and height % size == 0:
        return f"area averaging by {height // size}"
    return "antialiased bilinear, centre crop"
