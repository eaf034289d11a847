"""A whole sweep: datasets, networks, training, methods and the experiments drawn from them."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    model_validator,
)

from advdim.catalogue.methods import strength_power
from advdim.config.attacks import AttackName, Attacks
from advdim.config.base import Epsilon, Name, Settings, canonical_epsilon, merge
from advdim.config.bounds import Bounds
from advdim.config.data import TORCHVISION_NAMES, AnyDataset
from advdim.config.initialisation import InitialisationExperiment
from advdim.config.network import AnyNetwork
from advdim.config.numbers import Edge, Seeds
from advdim.config.training import Method, Methods, Training
from advdim.units import Normalisation, Units, to_normalised

# Of a file or a folder, on all file systems in use.
LONGEST_NAME = 255


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
    sizes: list[Edge] = Field(min_length=1, description="edges of the images in pixels")
    methods: list[Method | str] = Field(
        ["pgd_linf"], min_length=1, description="training regularisers, each at every strength"
    )
    epsilons: list[Epsilon] = Field(
        [],
        description="strengths; 0 is the method 'none'; [0] where networks have epochs: 0",
    )
    epsilons_by_method: dict[Method | str, list[Epsilon]] = Field(
        {}, description="strengths of the methods that have a grid of their own"
    )
    seeds: Seeds = [0]
    attacks: list[AttackName | str] = Field([], description="evaluation attacks on every cell")
    bounds: bool = Field(False, description="lower bounds on adversarial perturbations")
    figures: list[str] = Field([], description="figures drawn from this experiment alone")

    def epsilons_of(self, method: str) -> list[str]:
        """Return the strengths at which this experiment trains a method."""
        return self.epsilons_by_method.get(method, self.epsilons)


class FigureSettings(Settings):
    """How every figure is drawn and saved."""

    formats: Annotated[
        list[typing.Literal["pdf", "png", "svg"]], AfterValidator(lambda f: list(dict.fromkeys(f)))
    ] = Field(["pdf", "png"], min_length=1)
    dpi: int = Field(150, gt=0, le=2400)
    font_size: float = Field(9.0, gt=0, le=40)
    spline_smoothing: float = Field(200.0, ge=0, description="of Figure 2d, s, in percent squared")


def _default_torchvision_name(datasets: object) -> object:
    """Fill in ``name`` where the dataset's own key says it, as in ``cifar10``."""
    if not isinstance(datasets, dict):
        return datasets
    filled = dict(datasets)
    for key, block in datasets.items():
        known = TORCHVISION_NAMES.get(str(key).replace("_", "").replace("-", "").lower())
        if isinstance(block, dict) and block.get("source") == "torchvision" and known:
            filled[key] = {"name": known, **block}
    return filled


def _results_folder(value: str) -> str:
    """Return the folder without ``~`` and a trailing slash; refuse what cannot be one."""
    path = Path(value).expanduser()
    if path.resolve() in {Path.cwd().resolve(), Path(path.anchor)} or not value.strip():
        raise ValueError(
            "must name a folder of its own, neither the root nor the one that the sweep starts in"
        )
    if refused := sorted(set("{}*?[]\\\n\t") & set(value)):
        raise ValueError(f"must not hold {refused[0]!r}")
    if long := next((part for part in path.parts if len(part.encode()) > LONGEST_NAME), None):
        raise ValueError(f"holds a name of {len(long)} letters; at most {LONGEST_NAME} bytes")
    file = next((p for p in (path, *path.parents) if p.exists() and not p.is_dir()), None)
    if file:
        raise ValueError(f"must name a folder, and {str(file)!r} is a file")
    return str(path)


def _thresholds_in_pixels(sweep: object) -> object:
    """Fill in the default thresholds of a sweep whose units are pixels: .2 of the normalised."""
    if not isinstance(sweep, dict) or sweep.get("units") != "pixel":
        return sweep
    usual = {
        "training": {"measurement": {"threshold": 0.0008}},
        "attacks": {
            "threshold": 0.005,
            "thresholds": [0.0005, 0.001, 0.002, 0.01, 0.02, 0.05],
        },
    }
    return merge(usual, sweep)


class Config(Settings):
    """Everything that a sweep is made of."""

    results: Annotated[str, AfterValidator(_results_folder)] = Field(
        "results", description="folder of everything that the sweep makes"
    )
    only_finished: bool = Field(
        False,
        description="tables, figures and claims of what is finished in results; nothing is trained",
    )
    device: typing.Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto: the GPU where there is one"
    )
    units: Units = Field(
        "normalised",
        description="of all strengths (epsilons) and thresholds: of the normalised inputs, or of "
        "pixels in [0, 1]; tables hold normalised ones",
    )
    threads: int = Field(1, gt=0, le=4096, description="processor threads of one cell's training")
    multiply_adds_per_second: float = Field(
        1e10,
        ge=1e3,
        le=1e18,
        description="rate of one worker, from which a scheduler's time limits follow",
    )
    hang_minutes: float | None = Field(
        60.0,
        gt=0,
        le=1e6,
        description="a training without progress for so long is ended, then tried again",
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

    @property
    def figures_by_experiment(self) -> dict[str, list[str]]:
        """The figures of every experiment, those on fresh networks last."""
        trained = {name: experiment.figures for name, experiment in self.experiments.items()}
        fresh = {name: experiment.figures for name, experiment in self.initialisation.items()}
        return trained | fresh

    def training_of(self, dataset: str, network: str) -> Training:
        """Return the training settings of a cell: the network's win over the dataset's."""
        merged = self.training.model_dump()
        for overrides in (self.datasets[dataset].training, self.networks[network].training):
            merged = merge(merged, overrides)
        return Training.model_validate(merged)

    def strength(self, dataset: str, method: str, epsilon: str) -> str:
        """Return a training strength, given in the sweep's units, in normalised ones."""
        normalisation = self.datasets[dataset].normalisation
        if self.units == "normalised" or epsilon == "0":
            return epsilon
        assert normalisation is not None, "refused when the sweep was read"
        known = Normalisation(normalisation.mean, normalisation.std)
        value = to_normalised(float(epsilon), self.units, known, strength_power(method))
        # As many digits as a strength needs, few enough to stand in a path.
        return canonical_epsilon(f"{value:.6g}")

    @model_validator(mode="before")
    @classmethod
    def _usual_thresholds(cls, values: object) -> object:
        return _thresholds_in_pixels(values)
