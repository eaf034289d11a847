"""What Parquet files say of themselves in their footers, and what their labels are."""

from __future__ import annotations

import glob
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

IMAGES, LABELS = ("image", "img"), ("label", "labels")


class ParquetError(ValueError):
    """A Parquet file cannot be used; the message names it and says why."""


def expanded(split: str, paths: Iterable[Path]) -> list[Path]:
    """Return the files that paths and patterns name, each once, those of a pattern sorted."""
    found: list[Path] = []
    for path in (path.expanduser() for path in paths):
        if path.is_dir():
            raise ParquetError(
                f"{split} names {str(path)!r}, which is a folder; {str(path / '*.parquet')!r} "
                "names its files"
            )
        if path.is_file():
            found.append(path)
            continue
        matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))
        if not matches:
            what = "matches no file" if glob.has_magic(str(path)) else "does not exist"
            raise ParquetError(f"{split} names {str(path)!r}, which {what}")
        found += matches
    twice = [path for path, times in Counter(path.resolve() for path in found).items() if times > 1]
    if twice:
        raise ParquetError(f"{split} names {str(twice[0])!r} twice")
    return found


@dataclass(frozen=True)
class Footer:
    """The footer of one Parquet file: its number of rows, columns, and names of classes."""

    path: Path
    metadata: Any

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.metadata.num_rows)

    @cached_property
    def columns(self) -> dict[str, Any]:
        """Arrow types by column, those of dictionaries being their values'."""
        import pyarrow as pa

        return {
            field.name: field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            for field in self.metadata.schema.to_arrow_schema()
        }

    def class_names(self, column: str) -> list[str] | None:
        """Return the names that Hugging Face's metadata, or ``class_names``, give to labels."""
        named = self.features().get(column)
        if isinstance(named, dict) and isinstance(named.get("names"), list):
            return [str(name) for name in named["names"]]
        names = self._described(b"class_names")
        return [str(name) for name in names] if isinstance(names, list) else None

    def features(self) -> dict[str, Any]:
        """Return what Hugging Face's metadata say of each column."""
        described = self._described(b"huggingface")
        for key in ("info", "features"):
            described = described.get(key) if isinstance(described, dict) else None
        return described if isinstance(described, dict) else {}

    def _described(self, key: bytes) -> Any:
        text = (self.metadata.schema.to_arrow_schema().metadata or {}).get(key)
        try:
            return None if text is None else json.loads(text)
        except ValueError as error:
            raise ParquetError(
                f"metadata {key.decode()!r} of {str(self.path)!r} is no JSON: {error}"
            ) from error

    def chunks(self, column: str) -> Iterator[tuple[int, Any]]:
        """Yield (row group, metadata of a chunk) of a column and of what is nested in it."""
        for group in range(self.metadata.num_row_groups):
            row_group = self.metadata.row_group(group)
            for number in range(row_group.num_columns):
                chunk = row_group.column(number)
                if chunk.path_in_schema == column or chunk.path_in_schema.startswith(f"{column}."):
                    yield group, chunk


def footer(path: Path) -> Footer:
    """Return a file's footer, read once; raises ParquetError where there is none."""
    try:
        status = path.stat()
        return _footer(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise ParquetError(f"Parquet file {str(path)!r} cannot be read: {error}") from error


@lru_cache(maxsize=1024)
def _footer(path: Path, time: int, size: int) -> Footer:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return Footer(path, pq.read_metadata(path))
    except pa.ArrowException as error:
        raise ParquetError(f"Parquet file {str(path)!r} cannot be read: {error}") from error


def image_column(asked: str | None, first: Footer) -> str:
    """Return the asked column, else a usual one, else the only one that holds images."""
    if asked:
        return _present("image_column", asked, first)
    usual = [name for name in IMAGES if name in first.columns]
    found = usual[:1] or [name for name, kind in first.columns.items() if _holds_images(kind)]
    return _only("image_column", found, first, "the images")


def label_column(asked: str | None, first: Footer) -> str:
    """Return the asked column, else a usual one, else the only one that may hold labels."""
    if asked:
        return _present("label_column", asked, first)
    usual = [name for name in LABELS if name in first.columns][:1]
    named = [name for name in first.columns if "names" in (first.features().get(name) or {})]
    others = [
        name
        for name, kind in first.columns.items()
        if label_kind(kind) and name not in IMAGES and not name.startswith("__")
    ]
    found = usual or (named if len(named) == 1 else others)
    return _only("label_column", found, first, "the labels")


def _present(key: str, asked: str, first: Footer) -> str:
    if asked not in first.columns:
        raise ParquetError(f"{key} is {asked!r}, but {_columns(first)}")
    return asked


def _only(key: str, found: list[str], first: Footer, what: str) -> str:
    if len(found) != 1:
        raise ParquetError(f"{_columns(first)}; {key} says which holds {what}")
    return found[0]


def _columns(first: Footer) -> str:
    return f"{str(first.path)!r} has columns {', '.join(first.columns)}"


def _holds_images(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 or kind.get_field_index("path") >= 0
    return bool(is_binary(kind))


def is_binary(kind: Any) -> bool:
    """Tell whether an Arrow type holds strings of bytes."""
    import pyarrow as pa

    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
    return any(test(kind) for test in tests) or pa.types.is_fixed_size_binary(kind)


def is_text(kind: Any) -> bool:
    """Tell whether an Arrow type holds text."""
    import pyarrow as pa

    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(test(kind) for test in tests)


def label_kind(kind: Any) -> str | None:
    """Return ``integers`` or ``text`` for what labels may be, else None."""
    import pyarrow as pa

    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return "integers"
    return "text" if is_text(kind) else None


def check_image_type(column: str, found: Footer) -> None:
    """Raise ParquetError unless a column may hold images: bytes, paths, or a struct of them."""
    kind = found.columns[_present("image_column", column, found)]
    if not (_holds_images(kind) or is_text(kind)):
        raise ParquetError(
            f"column {column!r} of {str(found.path)!r} is {kind}; allowed are bytes, paths, and "
            "struct<bytes, path>"
        )


def check_label_type(column: str, found: Footer) -> str:
    """Return ``integers`` or ``text``; raises ParquetError for labels of another type."""
    kind = found.columns[_present("label_column", column, found)]
    if not (known := label_kind(kind)):
        raise ParquetError(
            f"column {column!r} of {str(found.path)!r} is {kind}; allowed are integers and text"
        )
    return known
