"""The sound lower bounds, in the order in which the first of equals wins.

A new one is a function in ``advdim.bounds``, with a proof in ``docs/bounds.md``, and an entry here,
which gives it its key and its column.
"""

from __future__ import annotations

from dataclasses import dataclass

from advdim.catalogue.entries import Entry


@dataclass(frozen=True, kw_only=True)
class BoundEntry(Entry):
    """One sound lower bound.

    Attributes:
        function: maps an ``Analysis`` of N samples to radii (N,), or None where it does not apply.
        meaning: what it is, after "sound lower bound" in a table's description.
    """

    meaning: str


BOUNDS: dict[str, BoundEntry] = {
    entry.name: entry
    for entry in (
        BoundEntry(
            name="patches",
            function="advdim.bounds.sound:patches",
            meaning="by patch-wise norms of the layers",
        ),
        BoundEntry(
            name="operator_norms",
            function="advdim.bounds.sound:operator_norms",
            meaning="by certified operator norms of the layers",
        ),
        BoundEntry(
            name="joint_pooling",
            function="advdim.bounds.sound:joint_pooling",
            meaning="by joint norms of convolutions and their max pools",
        ),
        BoundEntry(
            name="half_network",
            function="advdim.bounds.sound:half_network",
            meaning="with the last ReLU split into a linear half and an absolute half",
        ),
        BoundEntry(
            name="local",
            function="advdim.bounds.sound:local",
            meaning="by linearisation at the image, each kink charged",
        ),
        BoundEntry(
            name="relaxation",
            function="advdim.bounds.relaxation:relaxation_bound",
            meaning="by linear relaxation of the only ReLU layer",
        ),
        BoundEntry(
            name="kink",
            function="advdim.bounds.relaxation:kink_bound",
            meaning="by the tangents of the only ReLU layer, each kink charged",
        ),
    )
}
