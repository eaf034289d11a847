"""Train one network by hand."""

from __future__ import annotations

import argparse
import logging
import shutil
from dataclasses import asdict
from pathlib import Path

from advdim.commands.base import Command, add_config, read_config
from advdim.config import Config, ConfigError
from advdim.config.explain import nearest
from advdim.files import file_hash, write_json
from advdim.results import FILES, Result, computation
from advdim.sweep import IDENTITY, Cell


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    for key in IDENTITY:
        parser.add_argument(f"--{key}", required=True, type=int if key in {"size", "seed"} else str)
    parser.add_argument("--output", required=True, type=Path, help="folder for the cell's files")


def _run(options: argparse.Namespace) -> None:
    from advdim.planning.costs import gpu_megabytes
    from advdim.runs.provenance import hardware
    from advdim.stages.devices import device
    from advdim.stages.pixels import prepare_pixels
    from advdim.stages.train import train_cell

    config, cell = read_config(options.config), Cell.from_mapping(vars(options))
    _refuse_unknown(config, cell)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folder: Path = options.output
    pixels = folder / "pixels.safetensors"
    files = {name: folder / Path(path).name for name, path in FILES["train"].items()}
    with device(config.device, gpu_megabytes(config, cell, 1)) as name:
        prepare_pixels(config, cell.dataset, cell.size, pixels)
        inputs = {"pixels": file_hash(pixels)}
        states = folder / "checkpoints"
        own = states / computation(config, Result.of("train", asdict(cell)), inputs, name)
        threads = config.threads
        made = train_cell(config, cell, pixels, files, own, device=name, threads=threads)
        write_json(files["record"], {**made, "device": hardware(name)})
    shutil.rmtree(states, ignore_errors=True)
    print(f"The cell is in {folder}.")


def _refuse_unknown(config: Config, cell: Cell) -> None:
    for block, known in (("dataset", config.datasets), ("network", config.networks)):
        if getattr(cell, block) not in known:
            raise ConfigError(
                f"Option --{block} names {getattr(cell, block)!r}, not in the config."
            )
    if cell.method not in (methods := config.methods.names()):
        raise ConfigError(f"Option --method is {cell.method!r}; {nearest(cell.method, methods)}")
    if misfit := config.networks[cell.network].misfit(cell.size):
        raise ConfigError(f"Option --size is {cell.size}: {misfit}.")


COMMAND = Command(
    "cell",
    "train one cell with a progress bar",
    "advdim cell config.yaml --dataset digits --network strided4 --size 8 \\\n"
    "    --method pgd_linf --epsilon 0.1 --seed 0 --output one_cell",
    _run,
    _arguments,
)
