"""From a dataset's images to the stored pixels of one size: chosen, decoded, resized, split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from advdim.config.data import AnyDataset
from advdim.data.decoding import Decoder
from advdim.data.errors import DataError
from advdim.data.images import Images
from advdim.data.pixels import Pixels
from advdim.data.resize import replication_factor
from advdim.data.sources import open_source
from advdim.streams import stream_seed
from advdim.units import Normalisation


def prepare(
    dataset: AnyDataset, name: str, size: int, threads: int = 1, scratch: Path | None = None
) -> tuple[Pixels, dict[str, object]]:
    """Decode, choose, resize and split a dataset; return its pixels and an account of it.

    The account says what the resizing was and which images were left out. The choice of images
    and the validation split depend on the dataset's name alone, so they are the same at every size
    and for every cell. Large arrays live in nameless files in ``scratch``. Raises DataError.
    """
    try:
        return _prepare(dataset, name, size, threads, scratch)
    except DataError as error:
        if name in str(error):
            raise
        raise DataError(f"Dataset {name!r}: {error}") from error


def _prepare(
    dataset: AnyDataset, name: str, size: int, threads: int, scratch: Path | None
) -> tuple[Pixels, dict[str, object]]:
    sources = open_source(dataset)
    chosen = {
        "train": _subset(name, "train", sources["train"], dataset.train_images),
        "test": _subset(name, "test", sources["test"], dataset.test_images),
    }
    held_out = max(1, round(len(chosen["train"]) * dataset.validation_fraction))
    if held_out >= len(chosen["train"]):
        raise DataError(f"Dataset {name!r} has too few training images to hold any out.")
    rows = {
        "train": chosen["train"][held_out:],
        "validation": chosen["train"][:held_out],
        "test": chosen["test"],
    }
    skip = getattr(dataset, "corrupt", "refuse") == "skip"
    first = _first_shape(sources["train"], skip)
    square = first[1] == first[2]
    factor = (replication_factor(first[1], size) if square else None) or 1
    if factor == 1 and size > min(first[1:]):
        raise DataError(
            f"Dataset {name!r} has images of {first[2]}x{first[1]} pixels: size {size} is no "
            "multiple, and only whole multiples can be reached by copying pixels."
        )
    images, labels = {}, {}
    decoder = Decoder(size // factor, skip, threads, scratch)
    for split, indices in rows.items():
        source = sources["test" if split == "test" else "train"]
        stacked, kept = decoder.stack(source, indices)
        images[split] = torch.from_numpy(stacked)
        labels[split] = torch.from_numpy(source.labels[kept])
    normalisation = (
        Normalisation(dataset.normalisation.mean, dataset.normalisation.std)
        if dataset.normalisation
        else _measured_normalisation(images["train"])
    )
    channels = images["train"].shape[1]
    if len(normalisation.mean) != channels:
        raise DataError(
            f"Config key 'datasets.{name}.normalisation' has {len(normalisation.mean)} values "
            f"per statistic, but the images have {channels} channels."
        )
    pixels = Pixels(images, labels, sources["train"].class_names, normalisation, factor)
    account: dict[str, object] = {"resizing": _describe_resizing(first, size, factor)}
    if sources["train"].remark:
        account["overlaps"] = sources["train"].remark
    if decoder.skipped:
        account |= {"skipped": len(decoder.skipped), "skipped_first": decoder.skipped[:20]}
    return pixels, account


def _first_shape(images: Images, skip: bool) -> tuple[int, ...]:
    """Return the shape of the first image that can be decoded."""
    for index in range(len(images)):
        try:
            return images[index].shape
        except DataError:
            if not skip:
                raise
    raise DataError("no training image can be decoded.")


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
