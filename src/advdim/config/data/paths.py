"""Which files the rows of a Parquet file name, where they do not hold the images themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from advdim.config.data.footers import Footer, is_text

# Of images as they lie in a file, which are read where it does not say that none is missing.
ROWS = 256


def image_paths(shard: Footer, column: str) -> Iterator[str]:
    """Yield the paths of the images that are not in the file; most files name none."""
    import pyarrow.parquet as pq

    kind = shard.columns[column]
    if not is_text(kind) and not _has(kind, "path"):
        return
    held = _has(kind, "bytes")
    groups = _groups_without_bytes(shard, column, kind)
    if not groups:
        return
    with pq.ParquetFile(shard.path) as file:
        batches = file.iter_batches(ROWS, row_groups=groups, columns=[column], use_threads=False)
        for batch in batches:
            values = batch.column(0)
            if not is_text(kind):
                named = values.field("path")
                values = named.filter(values.field("bytes").is_null()) if held else named
            yield from (path for path in values.to_pylist() if path)


def _groups_without_bytes(shard: Footer, column: str, kind: Any) -> list[int]:
    """Return the row groups of which some rows have no bytes, or may have none."""
    every = range(shard.metadata.num_row_groups)
    if is_text(kind) or not _has(kind, "bytes"):
        return list(every)
    held = {
        group
        for group, chunk in shard.chunks(column)
        if chunk.path_in_schema == f"{column}.bytes"
        and chunk.is_stats_set
        and chunk.statistics.has_null_count
        and not chunk.statistics.null_count
    }
    return [group for group in every if group not in held]


def _has(kind: Any, field: str) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(kind)) and kind.get_field_index(field) >= 0
