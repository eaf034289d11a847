"""All claims, in the order of the papers."""

from __future__ import annotations

from advdim.claims import attacks, bounds, dimension, initialisation, regularisation
from advdim.claims.base import Claim

CLAIMS: tuple[Claim, ...] = (
    *initialisation.CLAIMS,
    *regularisation.CLAIMS,
    *dimension.CLAIMS,
    *attacks.CLAIMS,
    *bounds.CLAIMS,
)
