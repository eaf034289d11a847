"""Settings of experiments at initialisation: networks that are measured and never trained."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from advdim.config.base import Settings
from advdim.config.numbers import Edge, Seeds


def _each_once(values: list[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


class InitialisationExperiment(Settings):
    """Gradient norms of fresh networks: the product of networks, sizes and seeds."""

    dataset: str
    networks: Annotated[list[str], AfterValidator(_each_once)] = Field(min_length=1)
    sizes: Annotated[list[Edge], AfterValidator(_each_once)] = Field(min_length=1)
    seeds: Annotated[Seeds, AfterValidator(_each_once)] = [0]
    images: int = Field(64, ge=2, description="test images measured")
    batch_size: int = Field(16, ge=2)
    tie_noise: float = Field(1e-4, gt=0, description="uniform noise that breaks ties of pixels")
    figures: list[str] = ["initialisation_norms", "initialisation_exponents"]
