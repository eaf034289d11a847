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


def open_folder(dataset: FolderDataset, compared: bool = True) -> dict[str, Images]:
    """Return the photographs of both splits; raises DataError.

    Unless ``compared``, none is read, and what occurs twice is left in.
    """
    listing, names, overlaps = list_photographs(dataset, compared)
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


def list_photographs(
    dataset: FolderDataset, compared: bool = True
) -> tuple[Listing, list[str], str]:
    """Return (path, class number) of every photograph per split, the classes' names, and overlaps.

    What was done with overlaps is a sentence, empty where there are none.

    Raises DataError where a folder or list is missing or empty, where a path is twice in a class,
    and where a photograph occurs twice, in two classes or in train and test, unless ``overlaps``
    says what then; also where what it says leaves a class empty.
    """
    try:
        train, test = (dataset.by_class(split) for split in dataset.splits)
    except ListingError as error:
        raise _said(str(error)) from error
    counts = [{name: len(paths) for name, paths in split.items()} for split in (train, test)]
    if fault := dataset.fault(*counts):
        raise _said(fault)
    names = list(train)
    listing = {"train": _numbered(train, names), "test": _numbered(test, names)}
    if dataset.lists and dataset.corrupt == "refuse":
        _refuse_missing(dataset, listing)
    listing, overlaps = without_overlaps(dataset, listing) if compared else (listing, "")
    _refuse_lost_classes(listing, names)
    return listing, names, overlaps


def _numbered(classes: dict[str, list[str]], names: list[str]) -> list[tuple[str, int]]:
    return [(path, number) for number, name in enumerate(names) for path in classes[name]]


def _refuse_lost_classes(listing: Listing, names: list[str]) -> None:
    for split, samples in listing.items():
        left = {label for _, label in samples}
        if lost := [name for number, name in enumerate(names) if number not in left]:
            raise DataError(
                f"'overlaps: drop' leaves no photograph of class {lost[0]!r} in {split!r}."
            )


def _refuse_missing(dataset: FolderDataset, listing: Listing) -> None:
    paths = (path for samples in listing.values() for path, _ in samples)
    if missing := [path for path in paths if not Path(path).is_file()]:
        raise DataError(
            f"The lists in {str(dataset.lists)!r} name {len(missing)} files that do not exist, "
            f"first {missing[0]!r}; 'corrupt: skip' leaves them out."
        )


def _said(sentence: str) -> DataError:
    return DataError(f"{sentence[:1].upper()}{sentence[1:]}.")
