"""What in a configuration is known to fail once it runs: a sentence per mistake."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from advdim.catalogue.figures import FIGURES
from advdim.config.base import merge
from advdim.config.data import AnyDataset
from advdim.config.dataset_problems import dataset_problems, from_where, missing_data
from advdim.config.existing import ExistingNetwork
from advdim.config.explain import explain, nearest
from advdim.config.network import AnyNetwork
from advdim.config.sweep import Config, Experiment
from advdim.config.training import Training


def problems(config: Config) -> list[str]:
    """Return a sentence for whatever in a sweep is known to fail once it runs, each once."""
    return list(dict.fromkeys(_problems(config)))


def _problems(config: Config) -> Iterator[str]:
    for name, experiment in config.experiments.items():
        yield from _experiment_problems(config, name, experiment)
    for name in config.initialisation:
        yield from _initialisation_problems(config, name)
    if not config.only_finished:
        yield from missing_data(config)
    for name, network in config.networks.items():
        if fault := network.fault():
            yield f"Config key 'networks.{name}': {fault}{from_where(network.files())}."
    for name in config.attacks.threshold_by_network:
        if name not in config.networks:
            known = nearest(name, config.networks)
            yield f"Config key 'attacks.threshold_by_network' names {name!r}; {known}"
    if not (config.experiments or config.initialisation):
        yield "Config keys 'experiments' and 'initialisation' are both empty."
    shown, attacks = config.attacks.examples.attack, config.attacks.options.names()
    if shown not in attacks:
        yield f"Config key 'attacks.examples.attack' is {shown!r}; {nearest(shown, attacks)}"


def _experiment_problems(config: Config, name: str, experiment: Experiment) -> Iterator[str]:
    """Yield a sentence for whatever in an experiment is known to fail once it runs."""
    key = f"experiments.{name}"
    dataset = experiment.dataset
    if dataset not in config.datasets:
        yield f"Config key '{key}.dataset' is {dataset!r}; {nearest(dataset, config.datasets)}"
        return
    for network in experiment.network:
        if network not in config.networks:
            known = nearest(network, config.networks)
            yield f"Config key '{key}.network' is {network!r}; {known}"
            return
    yield from _figure_problems(key, experiment)
    yield from _unknown_names(config, key, experiment)
    yield from _strength_problems(key, experiment)
    for network in experiment.network:
        if experiment.bounds and (reason := config.networks[network].no_bounds_because()):
            yield (
                f"Config key '{key}.bounds' asks for lower bounds of network {network!r}: {reason}."
            )
        yield from _misfits(config, key, network, experiment.sizes)
        yield from _training_problems(config, f"networks.{network}", config.networks[network])
    yield from _untrained(config, key, experiment)
    yield from dataset_problems(config, key, dataset, experiment.sizes)
    yield from _unit_problems(config, key, experiment)
    yield from _training_problems(config, f"datasets.{dataset}", config.datasets[dataset])


def _figure_problems(key: str, experiment: Experiment) -> Iterator[str]:
    """Yield a sentence for every figure that is unknown, or of what is not measured."""
    trained = [f for f in FIGURES if "initialisation" not in FIGURES[f].tables]
    for figure in experiment.figures:
        if figure not in trained:
            yield f"Config key '{key}.figures' names {figure!r}; {nearest(figure, trained)}"
            continue
        shown = f"Config key '{key}.figures' names {figure!r}, which shows"
        if FIGURES[figure].of_attacks and not experiment.attacks:
            yield f"{shown} attacks; give '{key}.attacks'."
        if FIGURES[figure].of_bounds and not experiment.bounds:
            yield f"{shown} lower bounds; give '{key}.bounds: true'."
        for part, values in _differing(experiment).items():
            if len(values) > 1 and part not in FIGURES[figure].tells_apart:
                yield (
                    f"Config key '{key}.figures' names {figure!r}, which would mix what "
                    f"'{key}.{part}' lists ({', '.join(values)}): make an experiment of each."
                )


def _differing(experiment: Experiment) -> dict[str, list[str]]:
    """Return in what, beside strength and seed, an experiment's networks differ, by key."""
    methods = [m for m in experiment.methods if set(experiment.epsilons_of(m)) - {"0"}]
    sizes = [str(size) for size in experiment.sizes]
    lists = {"network": experiment.network, "methods": methods, "sizes": sizes}
    return {part: list(dict.fromkeys(values)) for part, values in lists.items()}


def _strength_problems(key: str, experiment: Experiment) -> Iterator[str]:
    """Yield a sentence for strengths without a method, and for a method without strengths."""
    for method in experiment.epsilons_by_method:
        if method not in experiment.methods:
            yield (
                f"Config key '{key}.epsilons_by_method' has strengths of {method!r}, which "
                f"'{key}.methods' does not list: {', '.join(experiment.methods)}."
            )
    bare = [method for method in experiment.methods if not experiment.epsilons_of(method)]
    if bare:
        yield (
            f"Config key '{key}.epsilons' is missing: the strengths of method {bare[0]!r}, with 0 "
            "for usual training."
        )


def _untrained(config: Config, key: str, experiment: Experiment) -> Iterator[str]:
    """Yield a sentence for strengths and seeds of networks that are not trained."""
    for name in experiment.network:
        if not comes_as_it_is(config, experiment.dataset, name):
            continue
        if not isinstance(config.networks[name], ExistingNetwork):
            yield (
                f"Config key '{key}.network' names {name!r}, which is neither trained (epochs: 0) "
                "nor made of weights: claims and figures here are of trained networks; fresh ones "
                "are for 'initialisation'."
            )
        wanted = {e for method in experiment.methods for e in experiment.epsilons_of(method)}
        if trained := sorted(wanted - {"0"}, key=float):
            yield (
                f"Config key '{key}' asks for strength {trained[0]}, but network {name!r} is not "
                "trained (epochs: 0): the only strength is 0."
            )
        if config.networks[name].starts_from_weights and len(experiment.seeds) > 1:
            yield (
                f"Config key '{key}.seeds' asks for {len(experiment.seeds)} networks, but network "
                f"{name!r} is the same for all: its weights are not trained (epochs: 0)."
            )


def trains_nothing(config: Config, experiment: Experiment) -> bool:
    """Whether all networks of an experiment are measured as they come."""
    known = experiment.dataset in config.datasets and set(experiment.network) <= set(
        config.networks
    )
    return known and all(
        comes_as_it_is(config, experiment.dataset, name) for name in experiment.network
    )


def comes_as_it_is(config: Config, dataset: str, network: str) -> bool:
    """Whether a network has no epochs; one whose settings are wrong is told elsewhere."""
    wrong = [
        *_training_problems(config, f"datasets.{dataset}", config.datasets[dataset]),
        *_training_problems(config, f"networks.{network}", config.networks[network]),
    ]
    return not wrong and not config.training_of(dataset, network).epochs


def _misfits(config: Config, key: str, network: str, sizes: list[int]) -> Iterator[str]:
    for size in sizes:
        if misfit := config.networks[network].misfit(size):
            yield (
                f"Config key '{key}.sizes' holds {size}, which network {network!r} cannot take: "
                f"{misfit}."
            )


def _unit_problems(config: Config, key: str, experiment: Experiment) -> Iterator[str]:
    """Refuse strengths in pixels that cannot be told in normalised units before the data are."""
    strengths = {e for method in experiment.methods for e in experiment.epsilons_of(method)}
    known = config.datasets[experiment.dataset].normalisation is not None
    if config.units != "pixel":
        return
    if known:
        yield from _strengths_out_of_range(config, key, experiment)
    elif not strengths <= {"0"}:
        yield (
            f"Config key 'units' is 'pixel', and '{key}' has training strengths: give "
            f"'datasets.{experiment.dataset}.normalisation', by which they are told in normalised "
            "units, or give all strengths and thresholds in normalised units."
        )


def _strengths_out_of_range(config: Config, key: str, experiment: Experiment) -> Iterator[str]:
    for method in experiment.methods:
        for epsilon in experiment.epsilons_of(method):
            try:
                config.strength(experiment.dataset, method, epsilon)
            except ValueError as error:
                yield f"Config key '{key}' asks for strength {epsilon}; normalised, it {error}."


def _training_problems(config: Config, owner: str, block: AnyDataset | AnyNetwork) -> list[str]:
    try:
        Training.model_validate(merge(config.training.model_dump(), block.training))
    except ValidationError as error:
        return [explain(error, Training, prefix=f"{owner}.training.")]
    return []


def _unknown_names(config: Config, key: str, experiment: Experiment) -> Iterator[str]:
    """Yield a sentence for every method and attack that is neither known nor the user's."""
    methods, attacks = config.methods.names(), config.attacks.options.names()
    named = [
        *((f"methods.{k}", name, methods) for k, name in enumerate(experiment.methods)),
        *((f"epsilons_by_method.{n}", n, methods) for n in experiment.epsilons_by_method),
        *((f"attacks.{k}", name, attacks) for k, name in enumerate(experiment.attacks)),
    ]
    for part, name, known in named:
        if name not in known:
            yield f"Config key '{key}.{part}' is {name!r}; {nearest(name, known)}"


def _initialisation_problems(config: Config, name: str) -> Iterator[str]:
    """Yield a sentence for whatever in an experiment at initialisation is known to fail."""
    key, experiment = f"initialisation.{name}", config.initialisation[name]
    if name in config.experiments:
        yield f"Config key '{key}' has the name of an experiment; names must differ."
        return
    if experiment.dataset not in config.datasets:
        known = nearest(experiment.dataset, config.datasets)
        yield f"Config key '{key}.dataset' is {experiment.dataset!r}; {known}"
        return
    untrained = [f for f in FIGURES if FIGURES[f].tables == ("initialisation",)]
    for figure in experiment.figures:
        if figure not in untrained:
            yield f"Config key '{key}.figures' names {figure!r}; {nearest(figure, untrained)}"
    for network in experiment.networks:
        if network not in config.networks:
            known = nearest(network, config.networks)
            yield f"Config key '{key}.networks' names {network!r}; {known}"
            continue
        if config.networks[network].starts_from_weights:
            yield (
                f"Config key '{key}.networks' names {network!r}, which has weights: a network at "
                "initialisation has none."
            )
        yield from _misfits(config, key, network, experiment.sizes)
    yield from dataset_problems(config, key, experiment.dataset, experiment.sizes)
