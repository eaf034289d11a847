"""What kind of run it is: whose images, how many, which networks, sizes, strengths and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from advdim.config import Config, Experiment
from advdim.config.data import (
    Dataset,
    DigitsDataset,
    PhotographsDataset,
    TorchvisionDataset,
)
from advdim.config.initialisation import InitialisationExperiment
from advdim.report.networks import untrained
from advdim.tables import cells_of

SHIPPED = {
    DigitsDataset: "the handwritten digits of 8 x 8 pixels that ship with scikit-learn",
    PhotographsDataset: "tiles of the two photographs that ship with scikit-learn",
}


@dataclass(frozen=True)
class Part:
    """One experiment: what it asks for, how its networks were trained, and how many ended how."""

    name: str
    dataset: str
    networks: Sequence[str]
    sizes: Sequence[int]
    trained: Sequence[str]
    seeds: int
    statuses: Mapping[str, int]


@dataclass(frozen=True)
class Images:
    """A dataset in words: whose images, and how many of all there are, or ``unknown``."""

    name: str
    description: str
    train: str
    test: str
    shipped: bool


@dataclass(frozen=True)
class Kind:
    """What a run is made of.

    ``demonstration``: all its images ship with a library, and no claim is about such images.
    """

    demonstration: bool
    images: Sequence[Images]
    parts: Sequence[Part]


def kind_of(config: Config, cells: pd.DataFrame) -> Kind:
    """Return what kind of run it is; ``cells`` is the table of its trained networks."""
    experiments: dict[str, Experiment | InitialisationExperiment] = {
        **config.experiments,
        **config.initialisation,
    }
    used = dict.fromkeys(experiment.dataset for experiment in experiments.values())
    images = [_images(name, config.datasets[name]) for name in used]
    return Kind(
        demonstration=all(dataset.shipped for dataset in images),
        images=images,
        parts=[_part(name, experiment, cells) for name, experiment in experiments.items()],
    )


def _images(name: str, dataset: Dataset) -> Images:
    shipped = SHIPPED.get(type(dataset), "")
    described = dataset.name if isinstance(dataset, TorchvisionDataset) else "images of your own"
    try:
        stored, counts = dataset.stored_images(), dataset.image_counts()
    except (OSError, ValueError):
        # They were there when the networks were trained.
        train = test = "unknown"
    else:
        train, test = (
            f"{used:,}" if used == all_ else f"{used:,} of {all_:,}"
            for used, all_ in zip(counts, stored, strict=True)
        )
    return Images(name, shipped or described, train, test, bool(shipped))


def _part(
    name: str, experiment: Experiment | InitialisationExperiment, cells: pd.DataFrame
) -> Part:
    if isinstance(experiment, InitialisationExperiment):
        return Part(
            name, experiment.dataset, experiment.networks, experiment.sizes, ["not trained"],
            len(experiment.seeds), {},
        )  # fmt: skip
    inside = cells_of(cells, name)
    statuses = inside["status"].value_counts()
    return Part(
        name, experiment.dataset, experiment.network, experiment.sizes, _trainings(inside),
        len(experiment.seeds), {str(status): int(n) for status, n in statuses.items()},
    )  # fmt: skip


def _trainings(cells: pd.DataFrame) -> list[str]:
    """Return each way of training with its strengths, normalised as in every table."""
    found = []
    for method, of_method in cells.groupby("method", sort=False):
        strengths = ", ".join(f"{strength:g}" for strength in sorted(of_method["epsilon"].unique()))
        found += _untaught(of_method) if method == "none" else [f"{method} {strengths}"]
    return found


def _untaught(cells: pd.DataFrame) -> list[str]:
    """Return how networks without a method came to be: by usual training, or without any."""
    as_they_come = untrained(cells)
    trained = cells["status"].eq("done") & ~as_they_come
    said = ["without a method"] if trained.any() or not as_they_come.any() else []
    return [*said, *(["not trained"] if as_they_come.any() else [])]
