"""Settings of the training methods beside their strengths."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from advdim.config.base import Settings

BatchNormMode = Literal["train", "eval"]


class PenaltySettings(Settings):
    """A gradient penalty has nothing to set beside its strength."""


class AugmentationMethodSettings(Settings):
    """One-step adversarial augmentation (ICML 2019, Eq. 5)."""

    batch_norm_during_attack: BatchNormMode = "train"


class PgdMethodSettings(Settings):
    """PGD training (ICML 2019, Section 4.1): text .2 epsilon a step, code epsilon / (.75 * 7)."""

    steps: PositiveInt = 7
    relative_step: PositiveFloat = Field(1 / (0.75 * 7), description="step over epsilon")
    random_start: bool = True
    batch_norm_during_attack: BatchNormMode = "train"
