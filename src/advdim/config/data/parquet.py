"""Settings of images in Parquet files, and what their footers say before any is decoded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from advdim.config.data.base import EncodedDataset
from advdim.config.data.footers import (
    Footer,
    ParquetError,
    check_image_type,
    check_label_type,
    expanded,
    footer,
    image_column,
    label_column,
)
from advdim.config.data.labels import read_labels, suspicious
from advdim.config.data.paths import image_paths


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str | Path) else value


Files = Annotated[
    list[Path],
    BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
    Field(min_length=1, description="files, or patterns such as 'data/train-*.parquet'"),
]


class ParquetDataset(EncodedDataset):
    """Image Parquet as Hugging Face writes it: ``image: struct<bytes, path>`` and a label."""

    places = EncodedDataset.places | {"train", "test"}

    source: Literal["parquet"]
    train: Files
    test: Files
    image_column: str | None = Field(
        None,
        description="bytes, paths relative to the file's folder, or struct<bytes, path>; default: "
        "'image', 'img', or the only such column",
    )
    label_column: str | None = Field(
        None, description="integers or text; default: 'label', or the only such column"
    )

    def shards(self) -> dict[str, list[Footer]]:
        """Return the footers of each split's files; raises ParquetError where one is unreadable."""
        key = (tuple(self.train), tuple(self.test))
        if key not in self._remembered:
            self._remembered[key] = {
                split: [footer(path) for path in expanded(split, paths)]
                for split, paths in (("train", self.train), ("test", self.test))
            }
        found: dict[str, list[Footer]] = self._remembered[key]
        return found

    def columns(self) -> tuple[str, str]:
        """Return the columns of images and labels; raises ParquetError where one is not there."""
        first = self.shards()["train"][0]
        return image_column(self.image_column, first), label_column(self.label_column, first)

    def class_names(self) -> list[str] | None:
        """Return the names that the files' metadata give to the classes, if any.

        Raises ParquetError where two files give different ones.
        """
        _, column = self.columns()
        named: dict[tuple[str, ...], Path] = {}
        for shard in self._all():
            if names := shard.class_names(column):
                named.setdefault(tuple(names), shard.path)
        if len(named) > 1:
            one, other, *_ = named.values()
            raise ParquetError(f"{str(one)!r} and {str(other)!r} name the classes differently")
        return list(next(iter(named))) if named else None

    def usual_classes(self) -> int | None:
        """Count the names, where the files' metadata have them."""
        names = self.class_names()
        return len(names) if names else None

    def label_kind(self) -> str:
        """Return ``integers`` or ``text``, after a look at every file's types of columns."""
        image, label = self.columns()
        kinds: dict[str, Path] = {}
        for shard in self._all():
            check_image_type(image, shard)
            kinds.setdefault(check_label_type(label, shard), shard.path)
        if len(kinds) > 1:
            raise ParquetError(
                f"column {label!r} holds integers in {str(kinds['integers'])!r} and text in "
                f"{str(kinds['text'])!r}; allowed is one of them"
            )
        return next(iter(kinds))

    def missing(self) -> str | None:
        """Say which file is not there or unusable, by name, columns, and statistics of labels."""
        try:
            self._check_files()
            self.label_kind()
            names = self.class_names()
            _, label = self.columns()
            for shard in self._all():
                if suspicious(shard, label, len(names) if names else None):
                    read_labels(shard, label, names)
        except ParquetError as error:
            return str(error)
        return None

    def _check_files(self) -> None:
        train, test = (
            {shard.path.resolve() for shard in shards} for shards in self.shards().values()
        )
        if both := sorted(train & test):
            raise ParquetError(f"train and test both name {str(both[0])!r}")
        for split, count in zip(("train", "test"), self.stored_images(), strict=True):
            if not count:
                raise ParquetError(f"the files of {split} hold no row")

    def _all(self) -> list[Footer]:
        return [shard for shards in self.shards().values() for shard in shards]

    def stored_images(self) -> tuple[int, int]:
        """Return the row counts in the files' footers."""
        train, test = (sum(shard.rows for shard in shards) for shards in self.shards().values())
        return train, test

    def listed(self) -> Iterator[tuple[str, Path]]:
        """Yield the image files that rows name."""
        with contextlib.suppress(ParquetError):
            image, _ = self.columns()
            for name, file in self.files().items():
                for path in image_paths(footer(file), image):
                    yield f"{name}/{path}", file.parent / path

    def files(self) -> dict[str, Path]:
        """Return the Parquet files by split and number."""
        shards = self.shards().items()
        return {f"{split}/{k}": f.path for split, files in shards for k, f in enumerate(files)}
