"""Images in Parquet files, read row group by row group in a memory that does not grow with them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from advdim.config.data import ParquetDataset
from advdim.config.data.footers import Footer, ParquetError
from advdim.config.data.labels import read_labels
from advdim.data.depth import Depth
from advdim.data.encoded import EncodedImages, share_mode
from advdim.data.errors import DataError
from advdim.data.images import Images

# Encoded bytes and rows that are read at a time.
BATCH_BYTES = 2**24
BATCH_ROWS = 256
BUFFER_BYTES = 2**20


def open_parquet(dataset: ParquetDataset) -> dict[str, Images]:
    """Return both splits; raises DataError where files, columns or labels cannot be used."""
    try:
        image, _ = dataset.columns()
        labels, names = _labels(dataset)
        depth = Depth(dataset.bits)
        splits = {
            split: ParquetImages(shards, image, labels[split], names, dataset.native_size, depth)
            for split, shards in dataset.shards().items()
        }
        share_mode(splits)
    except ParquetError as error:
        sentence = str(error)
        raise DataError(f"{sentence[:1].upper()}{sentence[1:]}.") from error
    return dict(splits)


def _labels(dataset: ParquetDataset) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return class numbers per split, and the classes' names."""
    import pyarrow as pa

    kind, names = dataset.label_kind(), dataset.class_names()
    _, column = dataset.columns()
    found = {
        split: pa.chunked_array([read_labels(shard, column, names) for shard in shards])
        for split, shards in dataset.shards().items()
    }
    if kind == "text":
        numbers, names = _numbered(found, names)
    else:
        numbers = {split: labels.to_numpy() for split, labels in found.items()}
        names = names or _names_of(numbers, column)
    _check_classes(numbers, names, column)
    return numbers, names


def _names_of(numbers: dict[str, np.ndarray], column: str) -> list[str]:
    """Return names for labels that are integers and have none."""
    classes = 1 + max((int(each.max()) for each in numbers.values() if len(each)), default=0)
    if classes > max(2, len(numbers["train"])):
        raise ParquetError(
            f"labels in column {column!r} go up to {classes - 1}, more classes than the "
            f"{len(numbers['train'])} training images; allowed are 0 to the number of classes "
            "less 1"
        )
    return [str(number) for number in range(classes)]


def _numbered(
    found: dict[str, Any], names: list[str] | None
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Number labels that are text, in alphabetical order unless the files give another."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = names or sorted({text for each in found.values() for text in each.unique().to_pylist()})
    known = pa.array(names, pa.string())
    return {split: pc.index_in(labels, known).to_numpy() for split, labels in found.items()}, names


def _check_classes(numbers: dict[str, np.ndarray], names: list[str], column: str) -> None:
    """Raise ParquetError for a class in test only, and where there is one class only."""
    trained, tested = (np.unique(numbers[split]) for split in ("train", "test"))
    if len(alone := np.setdiff1d(tested, trained)):
        raise ParquetError(f"class {names[alone[0]]!r} is in test only")
    if len(trained) == 1:
        raise ParquetError(
            f"labels in column {column!r} of train are all {names[trained[0]]!r}: every answer "
            "would be right"
        )


class ParquetImages(EncodedImages):
    """The images of one split, in one or several Parquet files."""

    def __init__(
        self,
        shards: list[Footer],
        column: str,
        labels: np.ndarray,
        class_names: list[str],
        native_size: int | None,
        depth: Depth,
    ) -> None:
        super().__init__(labels, class_names, native_size, depth)
        self.shards = shards
        self.column = column

    def files(self, indices: np.ndarray) -> Iterator[tuple[int, Callable[[], Any], str]]:
        """Yield (place, what opens the image, its row and file); each row group is read once."""
        order = np.argsort(indices, kind="stable")
        rows = np.asarray(indices)[order]
        start = 0
        for shard in self.shards:
            low, high = np.searchsorted(rows, [start, start + shard.rows])
            values = self._values(shard, rows[low:high] - start)
            for place, (row, value) in zip(order[low:high], values, strict=True):
                yield int(place), *self._opened(shard.path, row, value)
            start += shard.rows

    def _values(self, shard: Footer, rows: np.ndarray) -> Iterator[tuple[int, Any]]:
        """Yield (row, its value) for sorted rows of one file, reading a batch at a time."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not len(rows):
            return
        try:
            with pq.ParquetFile(shard.path, buffer_size=BUFFER_BYTES) as file:
                for first, batch in self._batches(file, shard, rows):
                    low, high = np.searchsorted(rows, [first, first + len(batch)])
                    for row in rows[low:high]:
                        yield int(row), batch[int(row) - first].as_py()
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"Parquet file {str(shard.path)!r} cannot be read: {error}") from error

    def _batches(self, file: Any, shard: Footer, rows: np.ndarray) -> Iterator[tuple[int, Any]]:
        """Yield (first row, values) of all batches of the row groups that hold ``rows``."""
        sizes = _bytes_per_group(shard, self.column)
        start = 0
        for group, size in enumerate(sizes):
            count = shard.metadata.row_group(group).num_rows
            wanted = rows[slice(*np.searchsorted(rows, [start, start + count]))]
            if len(wanted):
                at_once = max(1, min(BATCH_ROWS, BATCH_BYTES * count // max(size, 1)))
                first = start
                for batch in file.iter_batches(
                    at_once, row_groups=[group], columns=[self.column], use_threads=False
                ):
                    yield first, batch.column(0)
                    first += len(batch)
                    if first > wanted[-1]:
                        break
            start += count

    def _opened(self, file: Path, row: int, value: Any) -> tuple[Callable[[], Any], str]:
        """Return what opens an image, and its name."""
        content, path = value, None
        if isinstance(value, dict):
            content, path = value.get("bytes"), value.get("path")
        elif isinstance(value, str):
            content, path = None, value
        name = f"{row} of {file}" + (f" ({path})" if path else "")
        if content is not None:
            return partial(io.BytesIO, content), name
        if path:
            return partial(Path, file.parent / path), name
        return _nothing, name


def _nothing() -> Any:
    raise ValueError("it is null")


def _bytes_per_group(shard: Footer, column: str) -> list[int]:
    sizes = [0] * shard.metadata.num_row_groups
    for group, chunk in shard.chunks(column):
        sizes[group] += chunk.total_uncompressed_size
    return sizes
