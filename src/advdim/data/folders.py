"""Which photographs a folder dataset is made of: by folder, by merged folders, or by lists."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

from advdim.config.data import FolderDataset
from advdim.data.errors import DataError
from advdim.data.torchvision_import import torchvision

log = logging.getLogger(__name__)
Listing = dict[str, list[tuple[str, int]]]


def list_photographs(dataset: FolderDataset) -> tuple[Listing, list[str], str]:
    """Return (path, class number) of every photograph per split, the classes' names, and overlaps.

    What was done with overlaps is a sentence, empty where there are none.

    Raises DataError where a folder or list is missing or empty, and where a photograph occurs
    twice, in two classes or in train and test, unless ``overlaps`` says what then.
    """
    listing, names = _from_lists(dataset) if dataset.lists else _from_folders(dataset)
    listing, overlaps = _without_overlaps(dataset, listing)
    return listing, names, overlaps


def _from_folders(dataset: FolderDataset) -> tuple[Listing, list[str]]:
    folder = torchvision("datasets.folder")
    listing: Listing = {}
    classes = dataset.classes
    for split, name in (("train", dataset.train), ("test", dataset.test)):
        root = dataset.root.expanduser() / name
        found = sorted(path.name for path in root.iterdir() if path.is_dir())
        classes = classes or {folder: [folder] for folder in found}
        if not dataset.classes and found != list(classes):
            raise DataError(
                f"The folders train and test of {str(dataset.root)!r} differ in their classes."
            )
        listing[split] = [
            sample
            for number, members in enumerate(classes.values())
            for member in members
            for sample in _images_below(folder, root, member, number)
        ]
    return listing, list(classes)


def _images_below(folder: object, root: Path, member: str, number: int) -> list[tuple[str, int]]:
    try:
        return folder.make_dataset(root, {member: number}, folder.IMG_EXTENSIONS)  # type: ignore[attr-defined]
    except FileNotFoundError as error:
        raise DataError(f"Image folder {str(root / member)!r} holds no image.") from error


def _from_lists(dataset: FolderDataset) -> tuple[Listing, list[str]]:
    assert dataset.lists is not None
    root = dataset.root.expanduser()
    listing: Listing = {}
    names: list[str] = []
    for split, name in (("train", dataset.train), ("test", dataset.test)):
        files = sorted((dataset.lists.expanduser() / name).glob("*.txt"))
        found = [file.stem for file in files]
        names = names or found
        if not found or found != names:
            raise DataError(
                f"The lists train and test in {str(dataset.lists)!r} differ in their classes."
            )
        listing[split] = [
            (str(root / line), number) for number, file in enumerate(files) for line in _lines(file)
        ]
        missing = [path for path, _ in listing[split] if not Path(path).is_file()]
        if missing and dataset.corrupt == "refuse":
            raise DataError(
                f"The lists in {str(dataset.lists)!r} name {len(missing)} files that do not exist, "
                f"first {missing[0]!r}; 'corrupt: skip' leaves them out."
            )
    return listing, names


def _lines(file: Path) -> list[str]:
    """Return the paths in a list, whichever system has written it."""
    try:
        # A byte order mark is no part of the first path.
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"List {str(file)!r} is not UTF-8: {error.reason}.") from error
    lines = (line.strip().replace("\\", "/") for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _without_overlaps(dataset: FolderDataset, listing: Listing) -> tuple[Listing, str]:
    """Refuse, keep or drop what occurs twice; a dropped image stays in test and its first class."""
    tested = {path for path, _ in listing["test"]}
    shared = [path for path, _ in listing["train"] if path in tested]
    twice = [
        path
        for samples in listing.values()
        for path, count in Counter(path for path, _ in set(samples)).items()
        if count > 1
    ]
    if not (shared or twice):
        return listing, ""
    examples = ", ".join(map(repr, [*shared[:2], *twice[:2]]))
    found = (
        f"{len(shared)} photographs are in train and in test, {len(twice)} in several classes "
        f"of one split, as {examples}"
    )
    if dataset.overlaps == "refuse":
        raise DataError(
            f"Of {str(dataset.root)!r}, {found}; 'overlaps' may be 'drop', which leaves them in "
            "test and in the first of their classes, or 'keep'."
        )
    done = f"{found}: {dataset.overlaps}"
    log.warning("%s", done)
    if dataset.overlaps == "keep":
        return listing, done
    train, test = _firsts(listing["train"], tested), _firsts(listing["test"], set())
    return {"train": train, "test": test}, done


def _firsts(samples: list[tuple[str, int]], excluded: set[str]) -> list[tuple[str, int]]:
    first: dict[str, int] = {}
    for path, label in samples:
        if path not in excluded:
            first.setdefault(path, label)
    return list(first.items())
