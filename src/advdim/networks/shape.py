"""What a network maps, and the error that says why it does not."""

from __future__ import annotations

from dataclasses import dataclass


class NetworkError(ValueError):
    """A network cannot be built or loaded; the message says which and why."""


@dataclass(frozen=True)
class Shape:
    """What a network maps: (N, channels, size, size) to (N, classes)."""

    channels: int
    size: int
    classes: int


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, which ends a sentence, or its kind."""
    lines = str(error).strip().splitlines()
    return f"{(lines[0] if lines else type(error).__name__).rstrip('.')}."
