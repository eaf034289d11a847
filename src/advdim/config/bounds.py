"""Settings of the lower bounds: images, which bounds, and the published ones' conventions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from advdim.catalogue.bounds import BOUNDS
from advdim.config.base import Settings
from advdim.config.explain import ConfigError

if TYPE_CHECKING:
    BoundName = str
else:
    BoundName = Literal[tuple(BOUNDS)]


class PublishedConventions(Settings):
    """What the text of Peck et al. (NIPS 2017) leaves open."""

    jacobian_norm: Literal["spectral", "frobenius"] = Field(
        "spectral", description="norm of J in Theorem 4.1"
    )
    second_derivative: NonNegativeFloat = Field(
        0.0, description="M in Theorem 4.1, per normalised unit; 0 for piecewise linear layers"
    )


class Bounds(Settings):
    """How every trained cell of an experiment with ``bounds: true`` is bounded."""

    images: PositiveInt | None = Field(1000, description="test images; null: the whole test set")
    kinds: list[BoundName] = Field(
        list(BOUNDS), min_length=1, description="sound bounds; what does not apply is left out"
    )
    images_by_kind: dict[BoundName, PositiveInt] = Field(
        {}, description="first images only, for the bounds that are not worth all"
    )
    published: PublishedConventions = PublishedConventions()
    largest_fgsm: PositiveFloat | None = Field(
        100.0,
        description="largest FGSM epsilon that counts, in grey levels of 255 (NIPS 2017, Section "
        "5); null: no limit",
    )

    @model_validator(mode="after")
    def _of_these_kinds(self) -> Bounds:
        if others := [kind for kind in self.images_by_kind if kind not in self.kinds]:
            raise ConfigError(
                f"Config key 'bounds.images_by_kind' names {others[0]!r}, which 'bounds.kinds' "
                f"does not list: {', '.join(self.kinds)}."
            )
        return self

    def limits(self, available: int) -> dict[BoundName, int]:
        """Return how many of the available test images each sound bound is computed for."""
        most = min(self.images or available, available)
        return {kind: min(self.images_by_kind.get(kind, most), most) for kind in self.kinds}
