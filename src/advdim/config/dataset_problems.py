"""What in the settings of a dataset, or on disk, is known to fail once a sweep runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from advdim.config.data import AnyDataset
from advdim.config.data.base import LEAST_TRAINED
from advdim.config.sweep import Config
from advdim.words import counted


def dataset_problems(config: Config, key: str, name: str, sizes: list[int]) -> Iterator[str]:
    """Yield a sentence for sizes and a normalisation that a dataset cannot have."""
    yield from _normalisation_problems(config, name)
    edge = config.datasets[name].native_edge
    for size in sizes:
        if edge and size > edge and size % edge:
            yield (
                f"Config key '{key}.sizes' holds {size}, but dataset {name!r} has {edge}-pixel "
                f"images: larger sizes must be multiples of {edge}."
            )


def _normalisation_problems(config: Config, name: str) -> Iterator[str]:
    """Yield a sentence where a dataset's mean and deviation cannot be those of its pixels."""
    dataset = config.datasets[name]
    given, key = dataset.normalisation, f"Config key 'datasets.{name}.normalisation'"
    if given is None:
        return
    # Only the data tell whether encoded images are grey.
    channels = (1, 3) if dataset.decoded else (dataset.usual_channels,)
    if len(given.mean) not in channels:
        yield (
            f"{key} has {len(given.mean)} values of each; the images have "
            f"{' or '.join(map(str, channels))} channels."
        )
    elif not all(0 <= value <= 1 for value in given.mean) or max(given.std) > 1:
        yield (
            f"{key} has mean {list(given.mean)} and std {list(given.std)}, in units of pixels in "
            "[0, 1]: divide grey levels by 255."
        )


def missing_data(config: Config) -> Iterator[str]:
    """Yield a sentence for every dataset in use of which something is missing or wrong on disk."""
    used = {experiment.dataset for experiment in config.experiments.values()}
    used |= {experiment.dataset for experiment in config.initialisation.values()}
    for name in sorted(used & config.datasets.keys()):
        dataset = config.datasets[name]
        if missing := dataset.missing() or _one_class(dataset) or _too_few(dataset):
            places = [getattr(dataset, key, None) for key in dataset.places]
            yield f"Config key 'datasets.{name}': {missing}{from_where(places)}."


def _one_class(dataset: AnyDataset) -> str | None:
    if dataset.usual_classes() != 1:
        return None
    return "there is one class only, so that every answer is right (folders are SPLIT/CLASS/FILE)"


def _too_few(dataset: AnyDataset) -> str | None:
    train, test = dataset.image_counts()
    held_out = dataset.held_out(train)
    if train - held_out < LEAST_TRAINED:
        return (
            f"of {counted(train, 'training image')}, validation_fraction holds out {held_out} and "
            f"leaves {train - held_out} to train on; at least {LEAST_TRAINED} are needed"
        )
    return None if test else "there is no test image"


def from_where(places: Iterable[object]) -> str:
    """Return, for a sentence on files, where relative paths start; nothing where none is."""
    flat = [part for place in places for part in (place if isinstance(place, list) else [place])]
    given = [Path(part).expanduser() for part in flat if isinstance(part, str | Path)]
    if not all(path.is_absolute() or path.exists() for path in given):
        return f" (relative paths start from {str(Path.cwd())!r})"
    return ""
