"""The base of every settings model: unknown keys are errors, values cannot change afterwards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Protocol

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from advdim.catalogue.entries import load
from advdim.config.explain import NAME
from advdim.config.numbers import odd_numbers, wants_numbers

# Paths hold a strength without an exponent, so its digits must fit a file name.
SMALLEST_EPSILON, LARGEST_EPSILON = Decimal("1E-30"), Decimal("1E+9")


class Settings(BaseModel):
    """A block of settings; every key is declared and every value is checked.

    Where numbers are wanted, they are finite, of sensible size, and no truth values.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _sensible_numbers(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        mistakes = [
            InitErrorDetails(
                type=PydanticCustomError("odd_number", "{must}", {"must": must}),
                loc=(name, *key),
                input=value,
            )
            for name, field in cls.model_fields.items()
            if name in values and wants_numbers(field.annotation)
            for key, value, must in odd_numbers(values[name])
        ]
        if mistakes:
            raise ValidationError.from_exception_data(cls.__name__, mistakes)
        return values

    def canonical(self, **options: object) -> str:
        """Return the settings as JSON with sorted keys: equal settings give equal strings."""
        return json.dumps(self.model_dump(mode="json", **options), sort_keys=True)  # type: ignore[arg-type]


class HasSettings(Protocol):
    """An entry of the catalogue that says where the model of its settings is."""

    @property
    def settings(self) -> str:
        """The model as ``package.module:name``."""
        ...


def settings_fields(entries: Mapping[str, HasSettings]) -> dict[str, Any]:
    """Return a field per entry of the catalogue, with the defaults of its settings."""
    models = {name: load(entry.settings) for name, entry in entries.items()}
    return {name: (model, model()) for name, model in models.items()}


def canonical_epsilon(value: object) -> str:
    """Return the one spelling of a strength: ``1e-3``, ``0.0010`` and ``0.001`` are ``"0.001"``.

    Raises ValueError where the value is not a finite number of at least 0, or of absurd size.
    """
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite() or number < 0:
        raise ValueError("must be a finite number of at least 0")
    if number and not SMALLEST_EPSILON <= number <= LARGEST_EPSILON:
        raise ValueError(f"must be 0, or from {SMALLEST_EPSILON} to {LARGEST_EPSILON}")
    text = format(number.normalize(), "f")
    return "0" if Decimal(text) == 0 else text


Epsilon = Annotated[str, BeforeValidator(canonical_epsilon, json_schema_input_type=float | str)]
Name = Annotated[str, Field(pattern=NAME)]


def merge(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings with some of them replaced."""
    merged: dict[str, Any] = dict(base)
    for key, value in overrides.items():
        old = merged.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged
