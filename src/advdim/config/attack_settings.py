"""Each evaluation attack's own effort."""

from __future__ import annotations

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from advdim.config.base import Settings


class OneStepOptions(Settings):
    """A one-step attack has no effort to set."""


class StepOptions(Settings):
    """An attack that iterates; its own effort where nothing is given."""

    steps: PositiveInt | None = None


class IterativeOptions(StepOptions):
    """An attack whose steps are shares of the threshold."""

    relative_step: PositiveFloat | None = Field(None, description="step over threshold")


class PgdOptions(IterativeOptions):
    """Projected gradient descent."""

    restarts: NonNegativeInt | None = Field(
        None, description="random starts; 0 starts once, at the clean image"
    )


class AutoAttackOptions(StepOptions):
    """The ensemble of Croce and Hein (2020)."""

    queries: PositiveInt | None = Field(None, description="of the black-box member, Square")
