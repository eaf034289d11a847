"""The record beside a result, a small JSON file: what it was made of, and how that ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Record = Mapping[str, Any]
# What says whether a result is current.
OUTLINE = (
    "status",
    "because",
    "revision",
    "config_hash",
    "code_hash",
    "inputs",
    "content",
    "images_as_seen",
    "weights_as_seen",
)


def read_record(path: str | Path) -> Record | None:
    """Return a record, or None where it is missing or no record."""
    try:
        record = json.loads(Path(path).read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and "inputs" in record else None


def read_outline(path: str | Path) -> Record | None:
    """Return what of a record says whether its result is current."""
    record = read_record(path)
    return record and {name: record[name] for name in OUTLINE if name in record}


def same_inputs(record: Record, inputs: Mapping[str, str | None]) -> bool:
    """Tell whether a result was made from these inputs; one that is not there is as it was."""
    made_from = record["inputs"]
    return set(made_from) == set(inputs) and all(
        content in (None, made_from[name]) for name, content in inputs.items()
    )


def failed_itself(record: Record) -> bool:
    """Tell whether a result failed, and not what it was to be made from."""
    return bool(record["status"] == "failed" and not record["because"])
