"""What the settings of every network share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from advdim.config.base import Settings


class Network(Settings):
    """What all networks share."""

    if TYPE_CHECKING:
        kind: str

    training: dict[str, Any] = Field({}, description="training settings that differ here")

    def misfit(self, size: int) -> str | None:
        """Return a sentence that says why images of this edge do not fit, or None."""
        return None

    def fault(self) -> str | None:
        """Return why the network cannot be built at any size, or None."""
        return None

    @property
    def starts_from_weights(self) -> bool:
        """Whether the network starts from weights that it brings."""
        return False

    def files(self) -> list[str]:
        """Return the files that the network is made from, for the dependency graph."""
        return []

    def no_bounds_because(self) -> str | None:
        """Return why the network is known to have no lower bounds, or None."""
        return None

    def counts(self, channels: int, size: int) -> tuple[float, float]:
        """Return the multiply-adds and the activations of one image.

        For networks that only their own code describes, those of convolutions of 64 channels: an
        upper guess for most.
        """
        return 64_000.0 * size**2, 64.0 * 4 * size**2

    def dampening(self, size: int) -> float | None:
        """Return the factor of average pools on the input gradient at initialisation, or None.

        Averaging over a nodes instead of selecting one divides gradients by sqrt(a) (preprint
        arXiv:1802.01421v1, Section 3; ICML 2019, Appendix B).
        """
        return 1.0

    def beyond_theorems(self, size: int) -> str | None:
        """Return what breaks the hypotheses of Theorems 4 and 5 at this size, or None.

        These are (H), rectifiers behind all neurons and independent He weights, and (S), the same
        degrees along the paths of all pixels (ICML 2019, Section 3.2).
        """
        return "not a succession of convolutions and dense layers"

    def architecture(self) -> str:
        """Return, as canonical JSON, what the network's function depends on."""
        return self.canonical(exclude={"training"})
