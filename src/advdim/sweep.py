"""From experiments to the table of cells, and from a cell to its paths."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from advdim import user_code
from advdim.config.base import Settings, canonical_epsilon
from advdim.config.existing import ExistingNetwork, ModuleNetwork
from advdim.config.network import AnyNetwork
from advdim.config.sweep import Config
from advdim.config.user_code import UserCode


@dataclass(frozen=True)
class Cell:
    """One trained network, identified by these six values and by nothing else.

    ``epsilon`` is in normalised units, whatever those of the sweep.
    """

    dataset: str
    network: str
    size: int
    method: str
    epsilon: str
    seed: int

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Cell:
        """Read a cell from the six identity values, which may be text; others are left out."""
        cell = {key: values[key] for key in IDENTITY}
        cell |= {"size": int(cell["size"]), "seed": int(cell["seed"])}
        return cls(**{**cell, "epsilon": canonical_epsilon(cell["epsilon"])})

    @property
    def directory(self) -> str:
        """The cell's Hive partition, relative to the folder of all cells."""
        return "/".join(f"{key}={value}" for key, value in asdict(self).items())

    def wildcards(self) -> dict[str, str]:
        """Return the six identity values as text."""
        return {key: str(value) for key, value in asdict(self).items()}

    def columns(self) -> dict[str, str | int | float]:
        """Return the six identity columns as they stand in tables."""
        return {**asdict(self), "epsilon": float(self.epsilon)}


# What identifies a cell, in the order of its path and of every table's first columns.
IDENTITY = [field.name for field in fields(Cell)]


def experiment_cells(config: Config, name: str) -> Iterator[Cell]:
    """Yield the cells of one experiment, each once; strength 0 is the method ``none``."""
    experiment = config.experiments[name]
    seen: set[Cell] = set()
    for network, size in itertools.product(experiment.network, experiment.sizes):
        for method in experiment.methods:
            for epsilon in experiment.epsilons_of(method):
                trained = "none" if epsilon == "0" else method
                strength = "0"
                if trained != "none":
                    strength = config.strength(experiment.dataset, method, epsilon)
                for seed in experiment.seeds:
                    cell = Cell(experiment.dataset, network, size, trained, strength, seed)
                    if cell not in seen:
                        seen.add(cell)
                        yield cell


def experiments_by_cell(config: Config) -> dict[Cell, list[str]]:
    """Return every cell of the sweep once, with the names of the experiments that use it."""
    experiments: dict[Cell, list[str]] = {}
    for name in config.experiments:
        for cell in experiment_cells(config, name):
            experiments.setdefault(cell, []).append(name)
    return experiments


def prepared_pixels(config: Config) -> list[tuple[str, int]]:
    """Return every (dataset, size) of the sweep once, of cells first."""
    pairs = [(cell.dataset, cell.size) for cell in experiments_by_cell(config)]
    pairs += [(e.dataset, size) for e in config.initialisation.values() for size in e.sizes]
    return list(dict.fromkeys(pairs))


def training_settings(config: Config, cell: Cell) -> str:
    """Return, as canonical JSON, every setting that the cell's result depends on.

    Only the cell's own dataset, network and method enter, so that editing one method's settings
    retrains that method's cells and no others.
    """
    dataset, network = config.datasets[cell.dataset], config.networks[cell.network]
    settings = {
        "pixels": json.loads(dataset.pixel_settings()),
        "augmentation": dataset.augmentation.model_dump(mode="json"),
        "network": json.loads(network.architecture()),
        "training": config.training_of(cell.dataset, cell.network).model_dump(mode="json"),
        "units": config.units,
        "method": _with_code(getattr(config.methods, cell.method)),
        **_network_code(network),
        **_downloaded_weights(network),
    }
    return json.dumps(settings, sort_keys=True)


def _with_code(settings: Settings) -> dict[str, Any]:
    """Return settings as JSON values, with the code where that is the user's own."""
    values = settings.model_dump(mode="json")
    if isinstance(settings, UserCode):
        values["code"] = user_code.fingerprint(settings.module)
    return values


def _network_code(network: AnyNetwork) -> dict[str, str]:
    """Return the code of the user's network: a stored one has weights, and is built by it.

    It stands beside the architecture, which is stored with the weights.
    """
    if not isinstance(network, ModuleNetwork):
        return {}
    return {"network_code": user_code.fingerprint(network.module)}


def _downloaded_weights(network: AnyNetwork) -> dict[str, str]:
    """Return the name of weights that are no file; those of a file are an input by content."""
    name = network.downloaded() if isinstance(network, ExistingNetwork) else None
    return {} if name is None else {"weights": name}


def attacked_cells(config: Config) -> dict[tuple[Cell, str], None]:
    """Return every (cell, attack) of the sweep once, in the order of the experiments."""
    return {
        (cell, attack): None
        for name, experiment in config.experiments.items()
        for cell in experiment_cells(config, name)
        for attack in experiment.attacks
    }


def attack_settings(config: Config, network: str, attack: str) -> str:
    """Return, as canonical JSON, every setting that an attack on a trained network depends on.

    Only the attack's own options enter, so that editing them runs this attack again and no other.
    """
    common = config.attacks.model_dump(
        mode="json", exclude={"options", "examples", "threshold_by_network", "batch_size"}
    )
    options = _with_code(getattr(config.attacks.options, attack))
    settings = {
        **common,
        "threshold": config.attacks.threshold_of(network),
        "units": config.units,
        "options": options,
        **_network_code(config.networks[network]),
    }
    return json.dumps(settings, sort_keys=True)


def bounded_cells(config: Config) -> list[Cell]:
    """Return every cell whose experiments ask for lower bounds, once, in their order."""
    return list(
        {
            cell: None
            for name, experiment in config.experiments.items()
            if experiment.bounds
            for cell in experiment_cells(config, name)
        }
    )


def bound_settings(config: Config, network: str) -> str:
    """Return, as canonical JSON, every setting that a trained network's bounds depend on."""
    settings = config.bounds.model_dump(mode="json", exclude={"largest_fgsm"})
    return json.dumps(settings | _network_code(config.networks[network]), sort_keys=True)


def example_cells(config: Config) -> list[Cell]:
    """Return the cells whose perturbed images are shown: the first of every size.

    They belong to the experiments that draw ``adversarial_examples``; an experiment's first cell
    is that of its first method, strength and seed.
    """
    chosen: dict[Cell, None] = {}
    for name, experiment in config.experiments.items():
        if "adversarial_examples" in experiment.figures:
            firsts: dict[int, Cell] = {}
            for cell in experiment_cells(config, name):
                firsts.setdefault(cell.size, cell)
            chosen |= dict.fromkeys(firsts.values())
    return list(chosen)


def initialisation_settings(config: Config, experiment: str, network: str) -> str:
    """Return, as canonical JSON, every setting that a measurement at initialisation depends on."""
    settings = config.initialisation[experiment]
    measured = settings.model_dump(mode="json", exclude={"figures", "networks"})
    architecture = json.loads(config.networks[network].architecture())
    dampening = [config.networks[network].dampening(size) for size in settings.sizes]
    code = _network_code(config.networks[network])
    measurement = {**measured, "network": architecture, "dampening": dampening, **code}
    return json.dumps(measurement, sort_keys=True)


def table_settings(config: Config, table: str) -> str:
    """Return the digest of the settings that a table, the report or the whole sweep depends on.

    Those count that are not in the files that it is made from already.
    """
    settings: dict[str, object] = {
        # Which cells an experiment holds, not what is made of them.
        "cells": [
            (
                name,
                experiment.model_dump_json(exclude={"attacks", "bounds", "figures"}),
                [
                    config.networks[network].dampening(size)
                    for network in experiment.network
                    for size in experiment.sizes
                ],
            )
            for name, experiment in config.experiments.items()
        ],
        "examples": [
            config.attacks.examples.canonical(),
            [
                attack_settings(config, cell.network, config.attacks.examples.attack)
                for cell in example_cells(config)
            ],
        ],
        "bounds": config.bounds.largest_fgsm,
        "claims": [
            config.figures_by_experiment,
            {name: e.attacks for name, e in config.experiments.items()},
        ],
        # Not how the jobs were made, which changes no result.
        "report": config.canonical(exclude={"hang_minutes", "multiply_adds_per_second"}),
        "complete": config.canonical(),
    }
    return digest(str(settings.get(table)))


def digest(text: str) -> str:
    """Return a short hash of a text, as recorded beside results."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
