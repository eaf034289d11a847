"""Photographs that occur twice, by content: in train and test, or in several classes."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Hashable, Iterable

from advdim.config.data import FolderDataset
from advdim.data.errors import DataError
from advdim.files import file_hash
from advdim.words import counted

log = logging.getLogger(__name__)
Samples = list[tuple[str, int]]
Listing = dict[str, Samples]


def without_overlaps(dataset: FolderDataset, listing: Listing) -> tuple[Listing, str]:
    """Refuse, keep or drop what occurs twice; a dropped image stays in test and its first class.

    Return what is left, and a sentence of what was done, empty where nothing occurs twice.
    """
    content = contents(path for samples in listing.values() for path, _ in samples)
    tested = {content[path]: path for path, _ in listing["test"]}
    shared = [path for path, _ in listing["train"] if content[path] in tested]
    firsts = {split: _first_classes(samples, content) for split, samples in listing.items()}
    twice = {
        (split, content[path]): path
        for split, samples in listing.items()
        for path, label in samples
        if firsts[split][content[path]] != label
    }
    if not (shared or twice):
        return listing, ""
    examples = [_both(path, tested[content[path]]) for path in shared[:2]]
    examples += map(repr, list(twice.values())[:2])
    found = (
        f"{counted(len(shared), 'photograph')} in train and in test, {len(twice)} in several "
        f"classes of one split, as {', '.join(examples)}"
    )
    if dataset.overlaps == "refuse":
        raise DataError(
            f"{str(dataset.root)!r} has {found}; 'overlaps' may be 'drop', which leaves them in "
            "test and in the first of their classes, or 'keep'."
        )
    done = f"{found}: {dataset.overlaps}"
    log.warning("%s", done)
    if dataset.overlaps == "keep":
        return listing, done
    left = {
        split: [
            (path, label)
            for path, label in samples
            if firsts[split][content[path]] == label
            and (split == "test" or content[path] not in tested)
        ]
        for split, samples in listing.items()
    }
    return left, done


def contents(paths: Iterable[str]) -> dict[str, Hashable]:
    """Return what is equal for files of equal content, however they are named or linked.

    Only files of equal size are read. What is empty or cannot be read equals nothing.
    """
    found: dict[str, Hashable] = {}
    by_size: dict[int, dict[str, tuple[int, int]]] = defaultdict(dict)
    for path in paths:
        found[path] = path
        try:
            status = os.stat(path)
        except OSError:
            continue
        if status.st_size:
            by_size[status.st_size][path] = (status.st_dev, status.st_ino)
    for files in by_size.values():
        if len(files) > 1:
            found |= _digests(files)
    return found


def _digests(files: dict[str, tuple[int, int]]) -> dict[str, Hashable]:
    """Return a hash per path of files of equal size, reading each file once."""
    digests: dict[tuple[int, int], Hashable] = {}
    several = len(set(files.values())) > 1
    for path, file in files.items():
        if file in digests:
            continue
        try:
            digests[file] = file_hash(path) if several else file
        except OSError:
            digests[file] = path
    return {path: digests[file] for path, file in files.items()}


def _first_classes(samples: Samples, content: dict[str, Hashable]) -> dict[Hashable, int]:
    first: dict[Hashable, int] = {}
    for path, label in samples:
        first.setdefault(content[path], label)
    return first


def _both(path: str, other: str) -> str:
    return repr(path) if path == other else f"{path!r} and {other!r}"
