"""The base of every settings model: unknown keys are errors, values cannot change afterwards."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Settings(BaseModel):
    """A block of settings; every key is declared and every value is checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    def canonical(self, **options: object) -> str:
        """Return the settings as JSON with sorted keys: equal settings give equal strings."""
        return json.dumps(self.model_dump(mode="json", **options), sort_keys=True)  # type: ignore[arg-type]


def canonical_epsilon(value: object) -> str:
    """Return the one spelling of a strength: ``1e-3``, ``0.0010`` and ``0.001`` are ``"0.001"``.

    Raises ValueError where the value is not a finite number of at least 0.
    """
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite() or number < 0:
        raise ValueError("must be a finite number of at least 0")
    text = format(number.normalize(), "f")
    return "0" if Decimal(text) == 0 else text


Epsilon = Annotated[str, BeforeValidator(canonical_epsilon, json_schema_input_type=float | str)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
