"""Train one network by hand."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import shutil
from collections.abc import Collection, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from advdim.commands.base import Command, add_config, read_config
from advdim.config import Config, ConfigError
from advdim.config.explain import nearest
from advdim.config.problems import comes_as_it_is
from advdim.files import file_hash, write_json
from advdim.results import FILES, Result, computation
from advdim.sweep import IDENTITY, Cell

NO_METHOD = "none"
HELP = {"size": "in pixels", "epsilon": "strength of the method, in the file's units"}


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    for key in IDENTITY:
        kind = int if key in {"size", "seed"} else str
        parser.add_argument(f"--{key}", required=True, type=kind, help=HELP.get(key))
    parser.add_argument("--output", required=True, type=Path, help="folder for the cell's files")


def _run(options: argparse.Namespace) -> None:
    from advdim.planning.costs import gpu_megabytes
    from advdim.planning.trial import refuse_problems
    from advdim.runs.provenance import hardware
    from advdim.stages.devices import device
    from advdim.stages.pixels import prepare_pixels
    from advdim.stages.train import train_cell

    config = read_config(options.config)
    cell = _asked_for(config, options)
    folder: Path = options.output
    files = {name: folder / Path(path).name for name, path in FILES["train"].items()}
    _refuse_output(folder, files["record"], cell)
    refuse_problems(config)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pixels = folder / "pixels.safetensors"
    with device(config.device, gpu_megabytes(config, cell)) as name:
        prepare_pixels(config, cell.dataset, cell.size, pixels)
        inputs = {"pixels": file_hash(pixels)}
        states = folder / "checkpoints"
        own = states / computation(config, Result.of("train", asdict(cell)), inputs, name)
        threads = config.threads
        made = train_cell(config, cell, pixels, files, own, device=name, threads=threads)
        write_json(files["record"], {**asdict(cell), **made, "device": hardware(name)})
    shutil.rmtree(states, ignore_errors=True)
    print(f"The cell is in {folder}.")


def _asked_for(config: Config, options: argparse.Namespace) -> Cell:
    """Return the cell that the options name; raises ConfigError where there can be none."""
    with _of_option("epsilon", options.epsilon):
        cell = Cell.from_mapping(vars(options))
    known: dict[str, Collection[str]] = {
        "dataset": config.datasets,
        "network": config.networks,
        "method": config.methods.names(),
    }
    for option, names in known.items():
        if (name := getattr(cell, option)) not in names:
            raise ConfigError(f"Option --{option} is {name!r}; {nearest(name, names)}")
    if (cell.method == NO_METHOD) != (cell.epsilon == "0"):
        raise ConfigError(
            f"Options --method {cell.method} and --epsilon {cell.epsilon} do not go together: "
            f"strength 0 is the method {NO_METHOD!r}, and only that."
        )
    for option, value, least in (("seed", cell.seed, 0), ("size", cell.size, 1)):
        if value < least:
            raise ConfigError(f"Option --{option} is {value}: must be at least {least}.")
    if misfit := config.networks[cell.network].misfit(cell.size):
        raise ConfigError(f"Option --size is {cell.size}: {misfit}.")
    if cell.method != NO_METHOD and comes_as_it_is(config, cell.dataset, cell.network):
        raise ConfigError(
            f"Option --epsilon is {options.epsilon!r}, but network {cell.network!r} is not trained "
            "(epochs: 0): the only strength is 0."
        )
    with _of_option("epsilon", options.epsilon):
        return replace(cell, epsilon=config.strength(cell.dataset, cell.method, cell.epsilon))


@contextlib.contextmanager
def _of_option(name: str, value: str) -> Iterator[None]:
    """Let a ValueError within name the option."""
    try:
        yield
    except ValueError as error:
        raise ConfigError(f"Option --{name} is {value!r}: {error}.") from None


def _refuse_output(folder: Path, record: Path, cell: Cell) -> None:
    """Raise ConfigError where the folder is a file, or holds another network."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"Option --output is {str(folder)!r}, which is a file: name a folder.")
    try:
        there = asdict(cell) | dict(json.loads(record.read_text()) if record.exists() else {})
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"Option --output is {str(folder)!r}, whose record {record.name!r} cannot be read: "
            f"{error}. Name another folder."
        ) from None
    other = [f"{key} {there[key]}" for key, value in asdict(cell).items() if there[key] != value]
    if other:
        raise ConfigError(
            f"Option --output is {str(folder)!r}, which holds another network "
            f"({', '.join(other)}): name another folder."
        )


COMMAND = Command(
    "cell",
    "train one cell with a progress bar",
    "advdim cell config.yaml --dataset digits --network strided4 --size 8 \\\n"
    "    --method pgd_linf --epsilon 0.1 --seed 0 --output one_cell",
    _run,
    _arguments,
)
