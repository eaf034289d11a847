"""The stage that bounds a trained cell's smallest adversarial perturbations from below."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from advdim.bounds import Conventions, LowerBounds, PreparedNetwork, lower_bounds, prepare
from advdim.config import Config
from advdim.config.bounds import BoundName
from advdim.data.batches import first_inputs
from advdim.data.pixels import load_pixels
from advdim.networks.build import load_network
from advdim.stages.machine import reproducible
from advdim.sweep import Cell
from advdim.tables import write_table

log = logging.getLogger(__name__)


def bound_cell(
    config: Config,
    cell: Cell,
    network_file: str | Path,
    pixels_file: str | Path,
    output: str | Path,
    *,
    threads: int = 1,
) -> None:
    """Bound a trained cell's test images and write one row per image, in normalised units.

    The columns of the attacks stay empty until the table ``bounds`` is gathered. Raises
    UnsupportedLayer where the network has a layer without a bound.
    """
    reproducible(threads)
    network, _, normalisation = load_network(network_file)
    pixels = load_pixels(pixels_file)
    limits = config.bounds.limits(len(pixels.labels["test"]))
    inputs, labels = first_inputs(pixels, max(limits.values()), "cpu")
    published = config.bounds.published
    conventions = Conventions(published.jacobian_norm, published.second_derivative)
    ready = prepare(network, tuple(inputs.shape[1:]))
    constant = {
        **cell.columns(),
        "dimension": pixels.dimension,
        "pixel_scale": normalisation.scale,
    }
    rows: list[dict[str, Any]] = []
    for first, part in _parts(ready, inputs, limits, conventions):
        rows += [constant | row for row in _rows(part, labels, first)]
        log.info("%d of %d images bounded", len(rows), len(inputs))
    write_table(output, "bounds", rows)


def _parts(
    ready: PreparedNetwork,
    inputs: Tensor,
    limits: Mapping[BoundName, int],
    conventions: Conventions,
    largest: int = 500,
) -> Iterator[tuple[int, LowerBounds]]:
    """Yield the bounds of successive images, each part with the kinds that are wanted for it."""
    ends = sorted({*limits.values(), *range(largest, len(inputs), largest)})
    first = 0
    for end in ends:
        kinds = [kind for kind, limit in limits.items() if limit >= end]
        yield first, lower_bounds(ready, inputs[first:end], conventions=conventions, kinds=kinds)
        first = end


def _rows(part: LowerBounds, labels: Tensor, first: int) -> Iterator[dict[str, Any]]:
    for k in range(len(part.predictions)):
        yield {
            "sample": first + k,
            "label": int(labels[first + k]),
            "prediction": int(part.predictions[k]),
            "published": float(part.published[k]),
            "sound": float(part.sound[k]),
            "sound_kind": part.sound_kind[k],
            **{name: float(values[k]) for name, values in part.single.items()},
        }
