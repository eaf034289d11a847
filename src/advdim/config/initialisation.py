"""Settings of experiments at initialisation: networks that are measured and never trained."""

from __future__ import annotations

from pydantic import Field

from advdim.config.base import Settings
from advdim.config.numbers import Edge, Seeds


class InitialisationExperiment(Settings):
    """Gradient norms of fresh networks: the product of networks, sizes and seeds."""

    dataset: str
    networks: list[str] = Field(min_length=1)
    sizes: list[Edge] = Field(min_length=1)
    seeds: Seeds = [0]
    images: int = Field(64, ge=2, description="test images measured")
    batch_size: int = Field(16, ge=2)
    tie_noise: float = Field(1e-4, gt=0, description="uniform noise that breaks ties of pixels")
    figures: list[str] = ["initialisation_norms", "initialisation_exponents"]
