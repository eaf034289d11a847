"""What in a configuration is known to fail once it runs: a sentence per mistake."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from advdim.catalogue.figures import FIGURES
from advdim.config.data import AnyDataset
from advdim.config.explain import explain, nearest
from advdim.config.network import AnyNetwork
from advdim.config.training import Training

if typing.TYPE_CHECKING:
    from advdim.config.sweep import Config, Experiment


def merge(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings with some of them replaced."""
    merged: dict[str, Any] = dict(base)
    for key, value in overrides.items():
        old = merged.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged


def experiment_problems(config: Config, name: str, experiment: Experiment) -> list[str]:
    """Return a sentence for whatever in an experiment is known to fail once it runs."""
    key = f"experiments.{name}"
    dataset = experiment.dataset
    if dataset not in config.datasets:
        return [f"Config key '{key}.dataset' is {dataset!r}; {nearest(dataset, config.datasets)}"]
    for network in experiment.network:
        if network not in config.networks:
            known = nearest(network, config.networks)
            return [f"Config key '{key}.network' is {network!r}; {known}"]
    trained = [f for f in FIGURES if "initialisation" not in FIGURES[f].tables]
    problems = [
        f"Config key '{key}.figures' names {figure!r}; {nearest(figure, trained)}"
        for figure in experiment.figures
        if figure not in trained
    ]
    problems += _unknown_names(config, key, experiment)
    problems += [
        f"Config key '{key}.epsilons_by_method' has strengths of {method!r}, which "
        f"'{key}.methods' does not list: {', '.join(experiment.methods)}."
        for method in experiment.epsilons_by_method
        if method not in experiment.methods
    ]
    problems += [
        f"Config key '{key}.epsilons' is missing: the strengths of method {method!r}, with 0 for "
        "usual training."
        for method in experiment.methods
        if not experiment.epsilons_of(method)
    ][:1]
    problems += [
        f"Config key '{key}.figures' names {figure!r}, which shows attacks; give '{key}.attacks'."
        for figure in experiment.figures
        if figure in FIGURES and FIGURES[figure].of_attacks and not experiment.attacks
    ]
    problems += [
        f"Config key '{key}.figures' names {figure!r}, which shows lower bounds; give "
        f"'{key}.bounds: true'."
        for figure in experiment.figures
        if figure in FIGURES and FIGURES[figure].of_bounds and not experiment.bounds
    ]
    problems += [
        f"Config key '{key}.bounds' asks for lower bounds of network {network!r}: {reason}."
        for network in experiment.network
        if experiment.bounds and (reason := config.networks[network].no_bounds_because())
    ]
    for network in experiment.network:
        problems += _misfits(config, key, network, experiment.sizes)
        problems += _training_problems(config, f"networks.{network}", config.networks[network])
    problems += _untrained(config, key, experiment)
    problems += _dataset_problems(config, key, dataset, experiment.sizes)
    problems += _unit_problems(config, key, experiment)
    problems += _training_problems(config, f"datasets.{dataset}", config.datasets[dataset])
    return problems


def _untrained(config: Config, key: str, experiment: Experiment) -> list[str]:
    """Return a sentence for strengths and seeds of networks that are not trained."""
    problems = []
    for name in experiment.network:
        if not _comes_as_it_is(config, experiment.dataset, name):
            continue
        network = config.networks[name]
        wanted = {e for method in experiment.methods for e in experiment.epsilons_of(method)}
        if trained := sorted(wanted - {"0"}, key=float):
            problems.append(
                f"Config key '{key}' asks for strength {trained[0]}, but network {name!r} is not "
                "trained (epochs: 0): the only strength is 0."
            )
        if network.starts_from_weights and len(experiment.seeds) > 1:
            problems.append(
                f"Config key '{key}.seeds' asks for {len(experiment.seeds)} networks, but network "
                f"{name!r} is the same for all: its weights are not trained (epochs: 0)."
            )
    return problems


def trains_nothing(config: Config, experiment: Experiment) -> bool:
    """Whether all networks of an experiment are measured as they come."""
    known = experiment.dataset in config.datasets and set(experiment.network) <= set(
        config.networks
    )
    return known and all(
        _comes_as_it_is(config, experiment.dataset, name) for name in experiment.network
    )


def _comes_as_it_is(config: Config, dataset: str, network: str) -> bool:
    """Whether a network has no epochs; one whose settings are wrong is told elsewhere."""
    wrong = [
        *_training_problems(config, f"datasets.{dataset}", config.datasets[dataset]),
        *_training_problems(config, f"networks.{network}", config.networks[network]),
    ]
    return not wrong and not config.training_of(dataset, network).epochs


def _misfits(config: Config, key: str, network: str, sizes: list[int]) -> list[str]:
    return [
        f"Config key '{key}.sizes' holds {size}, which network {network!r} cannot take: {misfit}."
        for size in sizes
        if (misfit := config.networks[network].misfit(size))
    ]


def _normalisation_problems(config: Config, name: str) -> list[str]:
    """Return a sentence where a dataset's mean and deviation cannot be those of its pixels."""
    dataset = config.datasets[name]
    given, key = dataset.normalisation, f"Config key 'datasets.{name}.normalisation'"
    if given is None:
        return []
    # Only the data tell whether encoded images are grey.
    channels = (1, 3) if dataset.decoded else (dataset.usual_channels,)
    if len(given.mean) not in channels:
        return [
            f"{key} has {len(given.mean)} values of each; the images have "
            f"{' or '.join(map(str, channels))} channels."
        ]
    if not all(0 <= value <= 1 for value in given.mean) or max(given.std) > 1:
        return [
            f"{key} has mean {list(given.mean)} and std {list(given.std)}, in units of pixels in "
            "[0, 1]: divide grey levels by 255."
        ]
    return []


def _dataset_problems(config: Config, key: str, name: str, sizes: list[int]) -> list[str]:
    edge = config.datasets[name].native_edge
    return _normalisation_problems(config, name) + [
        f"Config key '{key}.sizes' holds {size}, but dataset {name!r} has "
        f"{edge}-pixel images: larger sizes must be multiples of {edge}."
        for size in sizes
        if edge and size > edge and size % edge
    ]


def _unit_problems(config: Config, key: str, experiment: Experiment) -> list[str]:
    """Refuse strengths in pixels that cannot be told in normalised units before the data are."""
    strengths = {e for method in experiment.methods for e in experiment.epsilons_of(method)}
    known = config.datasets[experiment.dataset].normalisation is not None
    if config.units == "normalised" or known or strengths <= {"0"}:
        return []
    return [
        f"Config key 'units' is 'pixel', and '{key}' has training strengths: give "
        f"'datasets.{experiment.dataset}.normalisation', by which they are told in normalised "
        "units, or give all strengths and thresholds in normalised units."
    ]


def missing_data(config: Config) -> list[str]:
    """Return a sentence for every dataset in use of which something is missing or wrong on disk."""
    used = {experiment.dataset for experiment in config.experiments.values()}
    used |= {experiment.dataset for experiment in config.initialisation.values()}
    return [
        f"Config key 'datasets.{name}': {missing}{from_where(places)}."
        for name in sorted(used & config.datasets.keys())
        for block in [config.datasets[name]]
        if (missing := block.missing() or _one_class(block))
        for places in [[getattr(block, key, None) for key in block.places]]
    ]


def _one_class(dataset: AnyDataset) -> str | None:
    if dataset.usual_classes() != 1:
        return None
    return "there is one class only, so that every answer is right (folders are SPLIT/CLASS/FILE)"


def from_where(places: Iterable[object]) -> str:
    """Return, for a sentence on files, where relative paths start; nothing where none is."""
    flat = [part for place in places for part in (place if isinstance(place, list) else [place])]
    given = [Path(part).expanduser() for part in flat if isinstance(part, str | Path)]
    if not all(path.is_absolute() for path in given):
        return f" (relative paths start from {str(Path.cwd())!r})"
    return ""


def _training_problems(config: Config, owner: str, block: AnyDataset | AnyNetwork) -> list[str]:
    try:
        Training.model_validate(merge(config.training.model_dump(), block.training))
    except ValidationError as error:
        return [explain(error, Training, prefix=f"{owner}.training.")]
    return []


def _unknown_names(config: Config, key: str, experiment: Experiment) -> list[str]:
    """Return a sentence for every method and attack that is neither known nor the user's."""
    methods, attacks = config.methods.names(), config.attacks.options.names()
    named = [
        *((f"methods.{k}", name, methods) for k, name in enumerate(experiment.methods)),
        *((f"epsilons_by_method.{n}", n, methods) for n in experiment.epsilons_by_method),
        *((f"attacks.{k}", name, attacks) for k, name in enumerate(experiment.attacks)),
    ]
    return [
        f"Config key '{key}.{part}' is {name!r}; {nearest(name, known)}"
        for part, name, known in named
        if name not in known
    ]


def initialisation_problems(config: Config, name: str) -> list[str]:
    """Return a sentence for whatever in an experiment at initialisation is known to fail."""
    key, experiment = f"initialisation.{name}", config.initialisation[name]
    if name in config.experiments:
        return [f"Config key '{key}' has the name of an experiment; names must differ."]
    if experiment.dataset not in config.datasets:
        found = nearest(experiment.dataset, config.datasets)
        return [f"Config key '{key}.dataset' is {experiment.dataset!r}; {found}"]
    untrained = [f for f in FIGURES if FIGURES[f].tables == ("initialisation",)]
    problems = [
        f"Config key '{key}.figures' names {figure!r}; {nearest(figure, untrained)}"
        for figure in experiment.figures
        if figure not in untrained
    ]
    for network in experiment.networks:
        if network not in config.networks:
            found = nearest(network, config.networks)
            problems.append(f"Config key '{key}.networks' names {network!r}; {found}")
            continue
        if config.networks[network].starts_from_weights:
            problems.append(
                f"Config key '{key}.networks' names {network!r}, which has weights: a network at "
                "initialisation has none."
            )
        problems += _misfits(config, key, network, experiment.sizes)
    return problems + _dataset_problems(config, key, experiment.dataset, experiment.sizes)
