"""Images and networks as they will be, as far as can be known before all images are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from advdim.config import Config
from advdim.config.existing import ExistingNetwork
from advdim.planning.costs import USUAL_CLASSES
from advdim.sweep import prepared_pixels
from advdim.units import Normalisation

if TYPE_CHECKING:
    from torch import nn

    from advdim.networks.shape import Shape

# Of each dataset that is decoded, the shape (C, H, W) of its images before they are resized.
Seen = Mapping[str, tuple[int, ...]]


def seen_images(config: Config) -> tuple[Seen, list[str]]:
    """Decode an image of each dataset; return their shapes, and a sentence where that fails."""
    from advdim.data.errors import DataError
    from advdim.data.prepare import decoded_shape

    seen, problems = {}, []
    for name in dict(prepared_pixels(config)):
        if config.datasets[name].decoded and not config.only_finished:
            try:
                seen[name] = decoded_shape(config.datasets[name], name)
            except DataError as error:
                problems.append(f"Config key 'datasets.{name}': {error}")
    return seen, problems


def image_problems(config: Config, seen: Seen) -> Iterator[str]:
    """Yield a sentence for sizes that copying does not reach, and for statistics of other channels.

    ``seen`` is that of ``seen_images``.
    """
    from advdim.data.errors import DataError
    from advdim.data.prepare import copies_per_axis

    for name, size in prepared_pixels(config):
        if name not in seen:
            continue
        try:
            copies_per_axis(seen[name], size)
        except DataError as error:
            yield f"Config key 'datasets.{name}': {error}"
    for name, (channels, *_) in seen.items():
        given = config.datasets[name].normalisation
        if given and len(given.mean) != channels:
            yield (
                f"Config key 'datasets.{name}.normalisation' has {len(given.mean)} values of each; "
                f"the images have {channels} channels."
            )


def usual_shape(config: Config, dataset: str, size: int, seen: Seen | None = None) -> Shape:
    """Return the shape of a dataset's images at a size, as far as it is known unread."""
    from advdim.networks.shape import Shape

    data = config.datasets[dataset]
    channels = seen[dataset][0] if seen and dataset in seen else data.usual_channels
    return Shape(channels, size, data.usual_classes() or USUAL_CLASSES)


def built(config: Config, dataset: str, network: str, shape: Shape) -> nn.Module:
    """Build a network for images of a shape; raises ``advdim.networks.shape.NetworkError``.

    Where a dataset's classes are not known before it is read, it gets no weights of a file.
    """
    from advdim.networks.build import build
    from advdim.streams import stream

    settings, data = config.networks[network], config.datasets[dataset]
    if isinstance(settings, ExistingNetwork) and data.usual_classes() is None:
        settings = settings.model_copy(update={"weights": None})
    given = data.normalisation
    # Computed ones are not known yet; any does for a trial.
    unit = (0.5,) * shape.channels
    normalisation = Normalisation(given.mean, given.std) if given else Normalisation(unit, unit)
    return build(settings, shape, stream("trial"), normalisation)
