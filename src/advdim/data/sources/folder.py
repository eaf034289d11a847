"""Which photographs a folder dataset is made of: by folder, by merged folders, or by lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from advdim.config.data import FolderDataset
from advdim.config.data.listing import ListingError
from advdim.data.depth import Depth
from advdim.data.encoded import ImageFiles, share_mode
from advdim.data.errors import DataError
from advdim.data.images import Images
from advdim.data.sources.overlaps import Listing, without_overlaps


def open_folder(dataset: FolderDataset) -> dict[str, Images]:
    """Return the photographs of both splits; raises DataError."""
    listing, names, overlaps = list_photographs(dataset)
    depth = Depth(dataset.bits)
    splits = {
        split: ImageFiles(
            [path for path, _ in samples],
            np.array([label for _, label in samples]),
            names,
            dataset.native_size,
            depth,
        )
        for split, samples in listing.items()
    }
    share_mode(splits)
    for images in splits.values():
        images.remark = overlaps
    return dict(splits)


def list_photographs(dataset: FolderDataset) -> tuple[Listing, list[str], str]:
    """Return (path, class number) of every photograph per split, the classes' names, and overlaps.

    What was done with overlaps is a sentence, empty where there are none.

    Raises DataError where a folder or list is missing or empty, and where a photograph occurs
    twice, in two classes or in train and test, unless ``overlaps`` says what then.
    """
    try:
        train, test = (_by_class(dataset, split) for split in dataset.splits)
    except ListingError as error:
        raise _said(str(error)) from error
    counts = [{name: len(paths) for name, paths in split.items()} for split in (train, test)]
    if fault := dataset.fault(*counts):
        raise _said(fault)
    listing = {"train": _numbered(train), "test": _numbered(test)}
    if dataset.lists and dataset.corrupt == "refuse":
        _refuse_missing(dataset, listing)
    listing, overlaps = without_overlaps(dataset, listing)
    return listing, list(train), overlaps


def _by_class(dataset: FolderDataset, split: Path) -> dict[str, list[str]]:
    return {
        name: [path for member in members for path in dataset.photographs(member)]
        for name, members in dataset.members(split).items()
    }


def _numbered(classes: dict[str, list[str]]) -> list[tuple[str, int]]:
    return [(path, number) for number, paths in enumerate(classes.values()) for path in paths]


def _refuse_missing(dataset: FolderDataset, listing: Listing) -> None:
    paths = (path for samples in listing.values() for path, _ in samples)
    if missing := [path for path in paths if not Path(path).is_file()]:
        raise DataError(
            f"The lists in {str(dataset.lists)!r} name {len(missing)} files that do not exist, "
            f"first {missing[0]!r}; 'corrupt: skip' leaves them out."
        )


def _said(sentence: str) -> DataError:
    return DataError(f"{sentence[:1].upper()}{sentence[1:]}.")
