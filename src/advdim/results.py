"""What each job makes, the record that says of what it was made, and whether it is current.

A result is the pixels of one dataset and size, a trained network with its measures, one attack on
it, its lower bounds, or a network's measurement at initialisation. Its record is a small JSON file
that is written last. Whether a result is current is decided by content; times play no part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from advdim.config import Config
from advdim.data.contents import Contents
from advdim.records import Record, failed_itself, read_record, same_inputs
from advdim.stage_code import stage_code
from advdim.sweep import (
    IDENTITY,
    Cell,
    attack_settings,
    attacked_cells,
    bound_settings,
    bounded_cells,
    digest,
    experiments_by_cell,
    initialisation_settings,
    prepared_pixels,
    training_settings,
)

CELL = "cells/" + "/".join(f"{key}={{{key}}}" for key in IDENTITY)
PIXELS = "pixels/dataset={dataset}/size={size}"
FRESH = "initialisation/experiment={experiment}/network={network}"
# Per stage: the files of a result as patterns below the results' folder, the record last.
FILES: dict[str, dict[str, str]] = {
    "pixels": {"pixels": f"{PIXELS}.safetensors", "record": f"{PIXELS}.json"},
    "train": {
        "network": f"{CELL}/network.safetensors",
        "epochs": f"{CELL}/epochs.parquet",
        "samples": f"{CELL}/samples.parquet",
        "record": f"{CELL}/run.json",
    },
    "attack": {
        "attacks": f"{CELL}/attacks/{{attack}}.parquet",
        "record": f"{CELL}/attacks/{{attack}}.json",
    },
    "bounds": {"bounds": f"{CELL}/bounds.parquet", "record": f"{CELL}/bounds.json"},
    "initialisation": {"initialisation": f"{FRESH}.parquet", "record": f"{FRESH}.json"},
}
WILDCARDS: dict[str, tuple[str, ...]] = {
    "pixels": ("dataset", "size"),
    "train": tuple(IDENTITY),
    "attack": (*IDENTITY, "attack"),
    "bounds": tuple(IDENTITY),
    "initialisation": ("experiment", "network"),
}
# Per stage: the log of the job that made a result last, likewise.
LOGS = {
    stage: "/".join(("logs", stage, *(f"{name}={{{name}}}" for name in names))) + ".log"
    for stage, names in WILDCARDS.items()
}


@dataclass(frozen=True)
class Result:
    """What one job of a stage makes: ``values`` are those of the stage's wildcards, as text."""

    stage: str
    values: tuple[str, ...]

    @classmethod
    def of(cls, stage: str, values: Mapping[str, object]) -> Result:
        """Return the result of a stage that a mapping of its wildcards names."""
        return cls(stage, tuple(str(values[name]) for name in WILDCARDS[stage]))

    @property
    def wildcards(self) -> dict[str, str]:
        """The values by name."""
        return dict(zip(WILDCARDS[self.stage], self.values, strict=True))

    @property
    def cell(self) -> Cell:
        """The trained network that the result is or is made from."""
        return Cell.from_mapping(self.wildcards)

    @property
    def name(self) -> str:
        """The values as ``key=value/...``: the result's place below folders of its stage."""
        return "/".join(f"{key}={value}" for key, value in self.wildcards.items())

    @property
    def kind(self) -> Result:
        """What stands for all results that differ in strength and seed alone.

        They share their settings, apart from the strength, and take the same time.
        """
        return Result.of(self.stage, {**self.wildcards, "epsilon": "0", "seed": "0"})

    def files(self, config: Config) -> dict[str, Path]:
        """Return the result's files by name, the record last."""
        values = self.wildcards
        return {
            name: Path(config.results, pattern.format(**values))
            for name, pattern in FILES[self.stage].items()
        }

    def record(self, config: Config) -> Path:
        """Return the file of the result's record."""
        return Path(config.results, FILES[self.stage]["record"].format(**self.wildcards))

    def log(self, config: Config) -> Path:
        """Return the log of the job that made the result last."""
        return Path(config.results, LOGS[self.stage].format(**self.wildcards))

    def unfinished(self, config: Config) -> Path:
        """Return the folder of what a job needs that goes on where another was stopped."""
        return Path(config.results, "unfinished", self.stage, self.name)

    def parents(self, config: Config) -> list[Result]:
        """Return the results that this one is made from."""
        if self.stage == "pixels":
            return []
        if self.stage == "initialisation":
            experiment = config.initialisation[self.wildcards["experiment"]]
            return [Result("pixels", (experiment.dataset, str(s))) for s in experiment.sizes]
        cell = self.cell
        pixels = Result("pixels", (cell.dataset, str(cell.size)))
        if self.stage == "train":
            return [pixels]
        return [Result.of("train", self.wildcards), pixels]


def all_results(config: Config) -> Iterator[Result]:
    """Yield every result of a sweep, each stage's together, in the order in which they are made.

    Where the sweep is of what is finished only, those that have a record of the present settings,
    and so has the network that they belong to.
    """
    if not config.only_finished:
        yield from _all_results(config)
        return
    of_kind = cache(partial(config_hash, config))
    left_out = set()
    for result in _all_results(config):
        record = read_record(result.record(config))
        of_another = result.stage in {"attack", "bounds"} and result.cell in left_out
        if record is None or of_another or record["config_hash"] != of_kind(result.kind):
            if result.stage == "train":
                left_out.add(result.cell)
        else:
            yield result


def of_other_settings(config: Config) -> list[Result]:
    """Return the results that are there, but not of the present settings."""
    of_kind = cache(partial(config_hash, config))
    found = ((result, read_record(result.record(config))) for result in _all_results(config))
    return [r for r, record in found if record and record["config_hash"] != of_kind(r.kind)]


def _all_results(config: Config) -> Iterator[Result]:
    for dataset, size in prepared_pixels(config):
        yield Result("pixels", (dataset, str(size)))
    for cell in experiments_by_cell(config):
        yield Result.of("train", cell.wildcards())
    for cell, attack in attacked_cells(config):
        yield Result.of("attack", {**cell.wildcards(), "attack": attack})
    for cell in bounded_cells(config):
        yield Result.of("bounds", cell.wildcards())
    for name, experiment in config.initialisation.items():
        for network in experiment.networks:
            yield Result("initialisation", (name, network))


def config_hash(config: Config, result: Result) -> str:
    """Return the digest of all settings that a result depends on."""
    stage, values = result.stage, result.wildcards
    if stage == "pixels":
        return digest(config.datasets[values["dataset"]].pixel_settings())
    if stage == "train":
        return digest(training_settings(config, result.cell))
    if stage == "attack":
        return digest(attack_settings(config, values["network"], values["attack"]))
    if stage == "bounds":
        return digest(bound_settings(config, values["network"]))
    return digest(initialisation_settings(config, values["experiment"], values["network"]))


def code_hash(config: Config, result: Result) -> str:
    """Return the digest of the code that a result is made by, the user's own left out."""
    values = result.wildcards
    kind = config.networks[values["network"]].kind if "network" in values else ""
    return stage_code(result.stage, kind, values.get("method", ""), values.get("attack", ""))


def computation(
    config: Config, result: Result, inputs: Mapping[str, str | None], device: str
) -> str:
    """Return the digest of all that a network is trained of and by, as far as bits depend on it.

    A GPU's streams of random numbers do not go on on a processor, nor does a training go on at the
    precision of another GPU.
    """
    # loads torch, which names of results do without
    from advdim.networks.precision import precision_used

    wanted = config.training_of(result.cell.dataset, result.cell.network).precision
    parts = {
        "result": result.name,
        "settings": config_hash(config, result),
        "code": code_hash(config, result),
        "inputs": dict(inputs),
        "device": device.partition(":")[0],
        "precision": precision_used(wanted, device),
    }
    return digest(json.dumps(parts, sort_keys=True))


def inputs_of(
    config: Config, result: Result, read: Callable[[Path], Record | None] = read_record
) -> dict[str, str | None]:
    """Return the digest of the content of what a result is made from, as the records state it.

    None stands for what is not there: it will be made, or nobody needs it.
    """
    if result.stage == "pixels":
        images = Contents.of(config.datasets[result.wildcards["dataset"]])
        known = read(result.record(config)) or {}
        return {"images": images.digest(known.get("images_as_seen"))}
    found: dict[str, str | None] = {}
    if result.stage == "train" and (weights := weights_of(config, result)):
        known = read(result.record(config)) or {}
        found["weights"] = weights.digest(known.get("weights_as_seen"))
    for parent in result.parents(config):
        record = read(parent.record(config))
        found[f"{parent.stage} {parent.name}"] = None if record is None else record["content"]
    return found


def weights_of(config: Config, result: Result) -> Contents | None:
    """Return the file of weights that a network starts from, or None where there is none."""
    files = config.networks[result.cell.network].files()
    return Contents.of_weights(files) if files else None


def is_current(
    config: Config,
    result: Result,
    record: Record | None,
    inputs: Mapping[str, str | None],
    settings: Callable[[Config, Result], str] = config_hash,
) -> bool:
    """Tell whether a result is what its settings, its code and its inputs would give again.

    Networks are not trained again for newer code, on which days of training must not hang: see
    ``is_older``. A result without a usable record, or that failed by itself, is not current.
    ``settings`` is for who asks of many results and remembers those of a kind.
    """
    return (
        record is not None
        and not failed_itself(record)
        and record["config_hash"] == settings(config, result)
        and (result.stage == "train" or record["code_hash"] == code_hash(config, result))
        and same_inputs(record, inputs)
    )


def is_older(config: Config, result: Result, record: Record) -> bool:
    """Tell whether a network was trained by other code than the present."""
    return result.stage == "train" and record["code_hash"] != code_hash(config, result)


def revision(
    config: Config, result: Result, read: Callable[[Path], Record | None] = read_record
) -> int:
    """Return how often a result has had to be made again under the same settings and code.

    The number is one more than the recorded one where the result failed or its inputs have
    changed, and is recorded when it is made: as a parameter of a job it starts the job just then.
    """
    record = read(result.record(config))
    if record is None:
        return 0
    again = failed_itself(record) or not same_inputs(record, inputs_of(config, result, read))
    return int(record["revision"]) + again
