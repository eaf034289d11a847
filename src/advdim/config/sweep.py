"""A whole sweep: datasets, networks, training, methods and the experiments drawn from them."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from advdim.config.attacks import AttackName, Attacks
from advdim.config.base import Epsilon, Name, Settings
from advdim.config.bounds import Bounds
from advdim.config.data import TORCHVISION_NAMES, AnyDataset
from advdim.config.explain import ConfigError, explain, nearest
from advdim.config.initialisation import InitialisationExperiment
from advdim.config.network import AnyNetwork
from advdim.config.training import Method, Methods, Training
from advdim.figures.registry import FIGURES

METHODS: tuple[Method, ...] = typing.get_args(Method)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Experiment(Settings):
    """A named subset of cells: the product of its lists, and the figures drawn from it."""

    dataset: str = Field(description="one of datasets")
    network: Annotated[
        list[str],
        BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
        Field(min_length=1, description="a network, or several"),
    ]
    sizes: list[PositiveInt] = Field(min_length=1, description="edges of the images in pixels")
    methods: list[Method | str] = Field(
        ["pgd_linf"], min_length=1, description="training regularisers, each at every strength"
    )
    epsilons: list[Epsilon] = Field([], description="strengths; 0 is the method 'none'")
    epsilons_by_method: dict[Method | str, list[Epsilon]] = Field(
        {}, description="strengths of the methods that have a grid of their own"
    )
    seeds: Annotated[
        list[NonNegativeInt],
        BeforeValidator(
            lambda value: list(range(value)) if isinstance(value, int) else value,
            json_schema_input_type=PositiveInt | list[NonNegativeInt],
        ),
        Field(min_length=1, description="seeds, or how many"),
    ] = [0]
    attacks: list[AttackName | str] = Field([], description="evaluation attacks on every cell")
    bounds: bool = Field(False, description="lower bounds on adversarial perturbations")
    figures: list[str] = Field([], description="figures drawn from this experiment alone")

    def epsilons_of(self, method: str) -> list[str]:
        """Return the strengths at which this experiment trains a method."""
        return self.epsilons_by_method.get(method, self.epsilons)

    @model_validator(mode="after")
    def _every_method_has_strengths(self) -> Experiment:
        without = [method for method in self.methods if not self.epsilons_of(method)]
        if without:
            raise ValueError(f"method {without[0]!r} has no strengths; give epsilons")
        return self


class FigureSettings(Settings):
    """How every figure is drawn and saved."""

    formats: list[typing.Literal["pdf", "png", "svg"]] = Field(["pdf", "png"], min_length=1)
    dpi: PositiveInt = 150
    font_size: float = Field(9.0, gt=0)
    spline_smoothing: float = Field(200.0, ge=0, description="of Figure 2d, s, in percent squared")


def _default_torchvision_name(datasets: object) -> object:
    """Fill in ``name`` where the dataset's own key says it, as in ``cifar10``."""
    if not isinstance(datasets, dict):
        return datasets
    filled = dict(datasets)
    for key, block in datasets.items():
        known = TORCHVISION_NAMES.get(str(key).replace("_", "").lower())
        if isinstance(block, dict) and block.get("source") == "torchvision" and known:
            filled[key] = {"name": known, **block}
    return filled


class Config(Settings):
    """Everything that a sweep is made of."""

    results: str = Field("results", description="folder of everything that the sweep makes")
    device: typing.Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto: the GPU where there is one"
    )
    threads: PositiveInt = Field(1, description="processor threads of one cell's training")
    multiply_adds_per_second: float = Field(
        1e10, gt=0, description="rate of one worker, from which a scheduler's time limits follow"
    )
    cells_per_job: PositiveInt | typing.Literal["auto"] = Field(
        "auto", description="short cells share a job; auto fills minutes_per_job"
    )
    minutes_per_job: float = Field(
        2.0, gt=0, description="estimated minutes of a job that several cells share"
    )
    hang_minutes: PositiveFloat | None = Field(
        60.0, description="a training without progress for so long is ended, then tried again"
    )
    datasets: Annotated[dict[Name, AnyDataset], BeforeValidator(_default_torchvision_name)]
    networks: dict[Name, AnyNetwork]
    training: Training = Training()
    methods: Methods = Methods()
    attacks: Attacks = Attacks()
    bounds: Bounds = Bounds()
    experiments: dict[Name, Experiment] = Field(
        {}, description="which networks are trained, how they are attacked, what is drawn"
    )
    initialisation: dict[Name, InitialisationExperiment] = Field(
        {}, description="experiments on fresh networks, without training"
    )
    figures: FigureSettings = FigureSettings()

    def training_of(self, dataset: str, network: str) -> Training:
        """Return the training settings of a cell: the network's win over the dataset's."""
        merged = self.training.model_dump()
        for overrides in (self.datasets[dataset].training, self.networks[network].training):
            merged = _merge(merged, overrides)
        return Training.model_validate(merged)

    @model_validator(mode="after")
    def _experiments_fit(self) -> Config:
        problems = [
            problem
            for name, experiment in self.experiments.items()
            for problem in _problems(self, name, experiment)
        ]
        problems += [
            problem
            for name in self.initialisation
            for problem in _initialisation_problems(self, name)
        ]
        problems += [
            f"Config key 'networks.{name}': {fault}."
            for name, network in self.networks.items()
            if (fault := network.fault())
        ]
        problems += [
            f"Config key 'attacks.epsilon_by_network' names {name!r}; "
            f"{nearest(name, self.networks)}"
            for name in self.attacks.epsilon_by_network
            if name not in self.networks
        ]
        shown, attacks = self.attacks.examples.attack, self.attacks.options.names()
        if shown not in attacks:
            found = nearest(shown, attacks)
            problems.append(f"Config key 'attacks.examples.attack' is {shown!r}; {found}")
        if not (self.experiments or self.initialisation):
            problems.append("Config keys 'experiments' and 'initialisation' are both empty.")
        if problems:
            raise ConfigError("\n".join(dict.fromkeys(problems)))
        return self


def _merge(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = dict(base)
    for key, value in overrides.items():
        old = merged.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            merged[key] = _merge(old, value)
        else:
            merged[key] = value
    return merged


def _problems(config: Config, name: str, experiment: Experiment) -> list[str]:
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
        if experiment.bounds and (reason := config.networks[network].unbounded())
    ]
    for network in experiment.network:
        problems += _misfits(config, key, network, experiment.sizes)
        problems += _training_problems(config, f"networks.{network}", config.networks[network])
    problems += _dataset_problems(config, key, dataset, experiment.sizes)
    problems += _training_problems(config, f"datasets.{dataset}", config.datasets[dataset])
    return problems


def _unknown_names(config: Config, key: str, experiment: Experiment) -> list[str]:
    """Return a sentence for every method and attack that is neither known nor one's own."""
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


def _misfits(config: Config, key: str, network: str, sizes: list[int]) -> list[str]:
    return [
        f"Config key '{key}.sizes' holds {size}, which network {network!r} cannot take: {misfit}."
        for size in sizes
        if (misfit := config.networks[network].misfit(size))
    ]


def _dataset_problems(config: Config, key: str, name: str, sizes: list[int]) -> list[str]:
    dataset = config.datasets[name]
    edge = dataset.native_edge
    problems = [
        f"Config key '{key}.sizes' holds {size}, but dataset {name!r} has "
        f"{edge}-pixel images: larger sizes must be multiples of {edge}."
        for size in sizes
        if edge and size > edge and size % edge
    ]
    if missing := dataset.missing():
        problems.append(f"Config key 'datasets.{name}': {missing}.")
    return problems


def _training_problems(config: Config, owner: str, block: AnyDataset | AnyNetwork) -> list[str]:
    try:
        Training.model_validate(_merge(config.training.model_dump(), block.training))
    except ValidationError as error:
        return [explain(error, Training, prefix=f"{owner}.training.")]
    return []


def _initialisation_problems(config: Config, name: str) -> list[str]:
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
        problems += _misfits(config, key, network, experiment.sizes)
    return problems + _dataset_problems(config, key, experiment.dataset, experiment.sizes)


def load(raw: Mapping[str, Any]) -> Config:
    """Check a configuration and fill in its defaults.

    Raises ConfigError with one sentence per mistake: the key, the value, and what is allowed.
    """
    try:
        return Config.model_validate(dict(raw))
    except ValidationError as error:
        first = error.errors()[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, ConfigError):
            raise ConfigError(str(cause)) from None
        raise ConfigError(explain(error, Config)) from None


def schema() -> dict[str, Any]:
    """Return the JSON schema of the configuration, for editors and documentation."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Config.model_json_schema(),
        "title": "advdim configuration",
    }
