"""All claims, in the order of the papers."""

from __future__ import annotations

from advdim.claims import (
    attacks,
    bounds,
    dimension,
    dynamics,
    initialisation,
    pooling,
    regularisation,
)
from advdim.claims.base import Claim

CLAIMS: tuple[Claim, ...] = (
    *initialisation.CLAIMS,
    *regularisation.CLAIMS,
    *dimension.CLAIMS,
    *dynamics.CLAIMS,
    *pooling.CLAIMS,
    *attacks.CLAIMS,
    *bounds.CLAIMS,
)
