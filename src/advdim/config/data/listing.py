"""Which files of a folder are photographs: listed without a look at each."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

# Those of torchvision's image folders.
SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
# What systems leave among photographs, beside all that is hidden.
LEFT_BY_SYSTEMS = {
    "__MACOSX",
    "@eaDir",
    "#recycle",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
}


class ListingError(ValueError):
    """A folder or list cannot be read; the message names it."""


def normalised(name: str) -> str:
    """Return a name as composed characters, since some systems store accents on their own."""
    return unicodedata.normalize("NFC", name)


def class_folders(split: Path) -> dict[str, list[Path]]:
    """Return the class folders of a split by name, in alphabetical order."""
    found: dict[str, list[Path]] = {}
    for entry in sorted(_entries(split), key=lambda entry: entry.name):
        if entry.is_dir():
            found.setdefault(normalised(entry.name), []).append(split / entry.name)
    return dict(sorted(found.items()))


def photographs_below(folder: Path) -> list[str]:
    """Return the paths of the photographs in a folder and those below it, sorted by folder."""
    found: list[tuple[str, str]] = []
    waiting, seen = [folder], set()
    while waiting:
        here = waiting.pop()
        entries = list(_entries(here))
        status = here.stat()
        # A link may lead back to where it stands.
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        for entry in entries:
            if entry.is_dir():
                waiting.append(here / entry.name)
            # A link that leads nowhere counts, so that whoever opens it says so.
            elif entry.name.lower().endswith(SUFFIXES) and (entry.is_file() or entry.is_symlink()):
                found.append((str(here), entry.name))
    return [os.path.join(*parts) for parts in sorted(found)]


def other_suffixes(folder: Path) -> list[str]:
    """Return the suffixes of a folder's own files that are not taken for photographs."""
    suffixes = {Path(e.name).suffix.lower() or "none" for e in _entries(folder) if e.is_file()}
    return sorted(suffixes - set(SUFFIXES))


def lists_in(split: Path) -> list[Path]:
    """Return the lists of a split's classes, in alphabetical order of the classes."""
    shown = [file for file in split.glob("*.txt") if not file.name.startswith(".")]
    return sorted(shown, key=lambda file: (normalised(file.name), file.name))


def listed_paths(file: Path) -> list[str]:
    """Return the paths in a list, whichever system has written it; raises ListingError."""
    try:
        # A byte order mark is no part of the first path.
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ListingError(f"list {str(file)!r} is not UTF-8: {error.reason}") from error
    lines = (line.strip().replace("\\", "/") for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what lies in a folder and was not put there by a system or a notebook server."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and entry.name not in LEFT_BY_SYSTEMS:
                    yield entry
    except OSError as error:
        raise ListingError(f"folder {str(folder)!r} cannot be read: {error.strerror}") from error
