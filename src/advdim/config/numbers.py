"""Numbers in a configuration: what YAML makes of them, and which are refused everywhere."""

from __future__ import annotations

import math
import re
import typing
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

# Beyond it is a slip of the keyboard, whatever the key.
LARGEST = 10**10
# float32, in which networks compute, ends at 3e38.
LARGEST_FRACTION = 1e30
MOST_SEEDS = 10_000
# YAML 1.1 reads these as text, since they lack the point or the sign that it asks for.
EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")

Key = tuple[int | str, ...]
Edge = Annotated[int, Field(gt=0, le=16_384)]
Layers = Annotated[int, Field(gt=0, le=1_000)]
Width = Annotated[int, Field(gt=0, le=65_536)]


def wants_numbers(annotation: object) -> bool:
    """Tell whether a field holds numbers, alone or in plain lists and mappings, and no booleans."""
    leaves = set(_leaves(annotation))
    models = any(isinstance(leaf, type) and issubclass(leaf, BaseModel) for leaf in leaves)
    return bool(leaves & {int, float}) and not (leaves & {bool, Any} or models)


def odd_numbers(value: object, key: Key = ()) -> Iterator[tuple[Key, object, str]]:
    """Yield (key, value, what must be) for truth values and absurd numbers, at any depth."""
    if isinstance(value, bool):
        yield key, value, "must be a number; yes, no, true and false are truth values"
    elif isinstance(value, int) and abs(value) > LARGEST:
        yield key, value, f"must be at most {LARGEST}"
    number = as_written(value)
    if isinstance(number, float) and LARGEST_FRACTION < abs(number) < math.inf:
        yield key, value, f"must be at most {LARGEST_FRACTION:g}"
    parts: Iterable[tuple[Any, object]] = ()
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    for name, part in parts:
        yield from odd_numbers(part, (*key, name))


def _leaves(annotation: object) -> list[object]:
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin is typing.Literal or not arguments:
        return [annotation]
    if origin is Annotated:
        arguments = arguments[:1]
    return [leaf for argument in arguments for leaf in _leaves(argument)]


def as_written(value: Any) -> Any:
    """Return arguments in which text like ``1e-3`` is the number that it spells, at any depth."""
    if isinstance(value, dict):
        return {key: as_written(part) for key, part in value.items()}
    if isinstance(value, list):
        return [as_written(part) for part in value]
    if isinstance(value, str) and EXPONENT.fullmatch(value) and math.isfinite(float(value)):
        return float(value)
    return value


Arguments = Annotated[
    dict[str, Any],
    BeforeValidator(as_written),
    Field(description="keyword arguments; text like 1e-3, which YAML does not take for one, "
    "is a number"),
]  # fmt: skip


def _listed(value: object) -> object:
    if not isinstance(value, int):
        return value
    if not 0 < value <= MOST_SEEDS:
        raise ValueError(f"must be a list of seeds, or how many, from 1 to {MOST_SEEDS}")
    return list(range(value))


Seeds = Annotated[
    list[Annotated[int, Field(ge=0)]],
    BeforeValidator(
        _listed,
        json_schema_input_type=Annotated[int, Field(gt=0, le=MOST_SEEDS)]
        | list[Annotated[int, Field(ge=0)]],
    ),
    Field(min_length=1, max_length=MOST_SEEDS, description="seeds, or how many"),
]
