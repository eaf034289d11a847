"""Settings of photographs in folders, and what their listing says before any is decoded."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from advdim.config.data.base import EncodedDataset
from advdim.config.data.listing import (
    SUFFIXES,
    ListingError,
    class_folders,
    listed_paths,
    lists_in,
    normalised,
    other_suffixes,
    photographs_below,
)

Counts = dict[str, int]
SHOWN = 3


class FolderDataset(EncodedDataset):
    """Photographs in folders, ``split/class/file``; or as text files list them."""

    places = EncodedDataset.places | {"lists"}

    source: Literal["folder"]
    root: Path
    train: str = "train"
    test: str = "test"
    classes: dict[str, Annotated[list[str], Field(min_length=1)]] = Field(
        {}, description="classes made of one or several folders; other folders are left out"
    )
    lists: Path | None = Field(
        None, description="folder of SPLIT/CLASS.txt, each with paths relative to root"
    )
    overlaps: Literal["refuse", "drop", "keep"] = Field(
        "refuse",
        description="of photographs, by content, in train and test, or in several classes",
    )

    @model_validator(mode="after")
    def _one_way_to_name_classes(self) -> FolderDataset:
        if self.classes and self.lists:
            raise ValueError("give classes or lists, not both")
        return self

    @property
    def splits(self) -> tuple[Path, Path]:
        """The folders of training and test images, or of their lists."""
        root = (self.lists or self.root).expanduser()
        return root / self.train, root / self.test

    def members(self, split: Path) -> dict[str, list[Path]]:
        """Return each class's folders, or its lists; raises ListingError."""
        if self.lists:
            lists: dict[str, list[Path]] = {}
            for file in lists_in(split):
                lists.setdefault(normalised(file.stem), []).append(file)
            return lists
        found = class_folders(split)
        if not self.classes:
            return found
        return {
            name: [p for m in members for p in found.get(normalised(m), [split / m])]
            for name, members in self.classes.items()
        }

    def photographs(self, member: Path) -> list[str]:
        """Return the paths of the photographs in a folder or list; raises ListingError."""
        if not self.lists:
            return photographs_below(member)
        return [str(self.root.expanduser() / line) for line in listed_paths(member)]

    def by_class(self, split: Path) -> dict[str, list[str]]:
        """Return each class's photographs; raises ListingError, also for a path that is twice."""
        found = {
            name: [path for member in members for path in self.photographs(member)]
            for name, members in self.members(split).items()
        }
        for name, paths in found.items():
            if len(set(paths)) < len(paths):
                twice = next(path for path, times in Counter(paths).items() if times > 1)
                raise ListingError(f"{twice!r} is twice in class {name!r} of {str(split)!r}")
        return found

    def missing(self) -> str | None:
        """Name the first folder that is not there or empty, and classes in one split only."""
        try:
            return self._missing_folder() or self.fault(*self._counts())
        except ListingError as error:
            return str(error)

    def _missing_folder(self) -> str | None:
        key, root = ("lists", self.lists) if self.lists else ("root", self.root)
        for name, split in zip((self.train, self.test), self.splits, strict=True):
            if not split.is_dir():
                return f"{key} {str(root)!r} has no folder {name!r}"
            found = self.members(split) if self.classes else {}
            for group, members in found.items():
                for member in members:
                    if not member.is_dir():
                        return (
                            f"classes.{group} names {member.name!r}, which {str(split)!r} has not"
                        )
        return None

    def stored_images(self) -> tuple[int, int]:
        """Return the numbers of photographs in class folders, or of lines in the lists."""
        train, test = (sum(counts.values()) for counts in self._counts())
        return train, test

    def usual_classes(self) -> int:
        """Count the folders or lists of the training images."""
        return len(self._counts()[0])

    def _counts(self) -> tuple[Counts, Counts]:
        """Count each split's photographs by class: one listing for as long as the settings live."""
        groups = tuple((name, *members) for name, members in self.classes.items())
        key = (self.root, self.lists, self.splits, groups)
        if key not in self._remembered:
            self._remembered[key] = tuple(map(self._counts_in, self.splits))
        train, test = self._remembered[key]
        return train, test

    def _counts_in(self, split: Path) -> Counts:
        return {name: len(paths) for name, paths in self.by_class(split).items()}

    def fault(self, train: Counts, test: Counts) -> str | None:
        """Return what is wrong with the classes, by their numbers of photographs, or None."""
        where = f"{'lists' if self.lists else 'folders'} {self.train!r} and {self.test!r} of " + (
            repr(str(self.lists or self.root))
        )
        if train.keys() != test.keys():
            alone = [
                f"{_some(set(one) - set(other))} in {name!r} only"
                for name, one, other in ((self.train, train, test), (self.test, test, train))
                if set(one) - set(other)
            ]
            return f"{where} differ in their classes: {' and '.join(alone)}"
        if not train:
            layout = "SPLIT/CLASS.txt" if self.lists else "SPLIT/CLASS/FILE"
            return f"{where} have no class: the layout is {layout}"
        for split, counts in zip(self.splits, (train, test), strict=True):
            if empty := [name for name, count in counts.items() if not count]:
                return f"{str(split)!r} holds no photograph of {_some(empty)}{self._hint(split)}"
        return None

    def _hint(self, split: Path) -> str:
        """Say which files are there instead."""
        if self.lists:
            return ""
        members = [member for group in self.members(split).values() for member in group]
        there = sorted({suffix for member in members for suffix in other_suffixes(member)})
        others = f", and others ({' '.join(there)}) are left out" if there else ""
        return f"; photographs end in {' '.join(SUFFIXES)}{others}"

    def listed(self) -> Iterator[tuple[str, Path]]:
        """Yield the photographs."""
        root = self.root.expanduser()
        for split in self.splits:
            with contextlib.suppress(ListingError):
                for paths in self.by_class(split).values():
                    yield from ((os.path.relpath(path, root), Path(path)) for path in paths)

    def files(self) -> dict[str, Path]:
        """Return the lists, none of the photographs."""
        if not self.lists:
            return {}
        return {f"{s.name}/{file.name}": file for s in self.splits for file in lists_in(s)}


def _some(names: Iterable[str]) -> str:
    """Quote a few names, and say how many there are beside them."""
    ordered = sorted(names)
    more = f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    return f"class {', '.join(map(repr, ordered[:SHOWN]))}{more}"
