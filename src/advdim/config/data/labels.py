"""Labels in Parquet files: which are refused, by file and row."""

from __future__ import annotations

import math
from typing import Any

from advdim.config.data.footers import Footer, ParquetError, check_label_type

SHOWN = 10


def suspicious(found: Footer, column: str, classes: int | None) -> bool:
    """Tell by the statistics of a footer whether labels are null or out of range."""
    for _, chunk in found.chunks(column):
        statistics = chunk.statistics
        if statistics is None:
            continue
        if statistics.null_count:
            return True
        ranged = statistics.has_min_max and isinstance(statistics.min, int)
        if ranged and (statistics.min < 0 or statistics.max >= (classes or math.inf)):
            return True
    return False


def read_labels(found: Footer, column: str, names: list[str] | None) -> Any:
    """Return the labels of a file as an Arrow array of int64 or of strings.

    Raises ParquetError where one is null, negative, or none of the known classes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = check_label_type(column, found)
    try:
        with pq.ParquetFile(found.path) as file:
            labels = file.read(columns=[column])[column]
        labels = labels.cast(pa.int64() if kind == "integers" else pa.string()).combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise ParquetError(
            f"labels of Parquet file {str(found.path)!r} cannot be read: {error}"
        ) from error
    _check(found, labels, kind, names)
    return labels


def _check(found: Footer, labels: Any, kind: str, names: list[str] | None) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    if kind == "text":
        allowed = f"one of {_list(names)}" if names else "text"
        good = pc.is_in(labels, pa.array(names)) if names else pc.is_valid(labels)
    else:
        allowed = f"0 to {len(names) - 1} ({_list(names)})" if names else "0 and above"
        good = pc.greater_equal(labels, 0)
        if names:
            good = pc.and_(good, pc.less(labels, len(names)))
    good = pc.fill_null(good, False)
    if len(labels) and not pc.all(good).as_py():
        row = pc.index(good, False).as_py()
        label = labels[row].as_py()
        shown = "null" if label is None else repr(label)
        raise ParquetError(
            f"row {row} (from 0) of {str(found.path)!r} has label {shown}; allowed are {allowed}"
        )


def _list(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more
