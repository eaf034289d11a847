"""Settings of experiments at initialisation: networks that are measured and never trained."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt

from advdim.config.base import Settings


class InitialisationExperiment(Settings):
    """Gradient norms of fresh networks: the product of networks, sizes and seeds."""

    dataset: str
    networks: list[str] = Field(min_length=1)
    sizes: list[PositiveInt] = Field(min_length=1)
    seeds: Annotated[
        list[NonNegativeInt],
        BeforeValidator(
            lambda value: list(range(value)) if isinstance(value, int) else value,
            json_schema_input_type=PositiveInt | list[NonNegativeInt],
        ),
        Field(min_length=1, description="seeds, or how many"),
    ] = [0]
    images: PositiveInt = Field(64, description="test images measured")
    batch_size: PositiveInt = 16
    tie_noise: float = Field(1e-4, gt=0, description="uniform noise that breaks ties of pixels")
    figures: list[str] = ["initialisation_norms", "initialisation_exponents"]
