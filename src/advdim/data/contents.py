"""Whether the files that images or weights come from are still the same, by content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from advdim.config.data import AnyDataset
from advdim.files import file_hash

_known: dict[str, Contents] = {}


class Contents:
    """The files of a dataset or of weights, none where a library ships or checks them.

    Reading them all takes long; so a record holds with the digest of their content what the file
    system said of them at the time. Where it still says the same, they are not read again.
    """

    def __init__(self, files: Iterable[tuple[str, Path]]) -> None:
        self._files = dict(sorted(files))

    @classmethod
    def of(cls, dataset: AnyDataset) -> Contents:
        """Return the contents of a dataset, listed and read at most once in a process."""
        key = dataset.canonical()
        return _known.get(key) or _known.setdefault(key, cls(files_of(dataset)))

    @classmethod
    def of_weights(cls, files: Iterable[str]) -> Contents:
        """Return the contents of a network's weights, read at most once in a process."""
        key = " ".join(files)
        return _known.get(key) or _known.setdefault(key, cls(("weights", Path(f)) for f in files))

    @cached_property
    def seen(self) -> str:
        """Digest of every file's path, size and time of change."""
        digest = hashlib.sha256()
        for file in self._files.values():
            try:
                status = file.stat()
                digest.update(f"{file} {status.st_size} {status.st_mtime_ns}\n".encode())
            except OSError:
                digest.update(f"{file} is missing\n".encode())
        return digest.hexdigest()[:16]

    @cached_property
    def content(self) -> str:
        """Digest of every file's content and of its place among the others."""
        digest = hashlib.sha256()
        for place, file in self._files.items():
            digest.update(f"{place} {_hash(file)}\n".encode())
        return digest.hexdigest()[:16]

    def digest(self, known: Mapping[str, str] | None = None) -> str:
        """Return ``content``, from what a record knows where the files look as they did then."""
        if known is not None and known["seen"] == self.seen:
            return known["content"]
        return self.content

    def record(self) -> dict[str, str]:
        """Return what a record keeps."""
        return {"seen": self.seen, "content": self.content}


def _hash(file: Path) -> str:
    try:
        return file_hash(file)
    except OSError:
        return "missing"


def files_of(dataset: AnyDataset) -> Iterator[tuple[str, Path]]:
    """Yield the files that a dataset's images come from, each with its place among the others."""
    yield from dataset.files().items()
    yield from dataset.listed()
