"""All claims, in the order of the papers."""

from __future__ import annotations

from advdim.claims import (
    attacks,
    bounds,
    dimension,
    dynamics,
    initialisation,
    pgd,
    pooling,
    regularisation,
)
from advdim.claims.base import Claim

FAMILIES: dict[str, tuple[Claim, ...]] = {
    "initialisation": initialisation.CLAIMS,
    "regularisation": (*regularisation.CLAIMS, *pgd.CLAIMS),
    "dimension": dimension.CLAIMS,
    "dynamics": dynamics.CLAIMS,
    "pooling": pooling.CLAIMS,
    "attacks": attacks.CLAIMS,
    "bounds": bounds.CLAIMS,
}
CLAIMS: tuple[Claim, ...] = tuple(claim for claims in FAMILIES.values() for claim in claims)
