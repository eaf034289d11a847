"""What the settings of every network share."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from advdim.config.base import Settings


class Network(Settings):
    """What all networks share."""

    training: dict[str, Any] = Field({}, description="training settings that differ here")

    def misfit(self, size: int) -> str | None:
        """Return a sentence that says why images of this edge do not fit, or None."""
        return None

    def fault(self) -> str | None:
        """Return why the network cannot be built at any size, or None."""
        return None

    def unbounded(self) -> str | None:
        """Return why the network is known to have no lower bounds, or None."""
        return None

    def dampening(self, size: int) -> float | None:
        """Return the factor of average pools on the input gradient at initialisation, or None.

        Averaging over a nodes instead of selecting one divides gradients by sqrt(a) (preprint
        arXiv:1802.01421v1, Section 3; ICML 2019, Appendix B).
        """
        return 1.0

    def architecture(self) -> str:
        """Return, as canonical JSON, what the network's function depends on."""
        return self.canonical(exclude={"training"})
