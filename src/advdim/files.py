"""Atomic writes: a file is complete under its name, or not there."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any


class DiskFullError(OSError):
    """There is no space left for a file; the message names it."""


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it on success, remove it on failure."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, target)
    except Exception as error:
        if _is_full(error):
            raise DiskFullError(
                f"The disk is full: {str(target)!r} cannot be written. Free some space and run "
                "again; nothing that was computed before is lost."
            ) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def clear_unfinished(folder: str | Path) -> None:
    """Remove what a killed process left half written in a folder that only one process uses.

    Whatever else is named as safetensors names its own temporary files goes with it.
    """
    _remove(folder, ".*.partial", ".tmp*")


def clear_unfinished_file(path: str | Path) -> None:
    """Remove what killed processes left of one file that one process at a time writes."""
    _remove(Path(path).parent, f".{glob.escape(Path(path).name)}.*.partial")


def _remove(folder: str | Path, *patterns: str) -> None:
    for left in chain.from_iterable(map(Path(folder).glob, patterns)):
        left.unlink(missing_ok=True)


def _is_full(error: Exception) -> bool:
    # safetensors and pyarrow wrap the system's error in their own.
    return getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)


def from_here(path: Path) -> str:
    """Return a path as messages give it: from the working directory where it lies below that."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def file_hash(path: str | Path) -> str:
    """Return a short hash of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def write_json(path: str | Path, content: dict[str, Any]) -> None:
    """Write a JSON document atomically, keys sorted."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
