"""Command line: check or plan a sweep, print the schema, or train one cell by hand."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

import yaml

from advdim import __version__
from advdim.config import Config, ConfigError, load, schema
from advdim.config.explain import nearest
from advdim.config.reference import reference
from advdim.files import write_json
from advdim.planning.costs import GPU_TERAFLOPS
from advdim.results import FILES
from advdim.sweep import IDENTITY, Cell, experiments_by_cell


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ConfigError, ValueError, OSError) as error:
        print(f"advdim: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="advdim", description=__doc__)
    parser.add_argument("--version", action="version", version=f"advdim {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    schema_command = commands.add_parser("schema", help="print the JSON schema of config.yaml")
    schema_command.set_defaults(run=lambda options: print(json.dumps(schema(), indent=1)))
    reference_command = commands.add_parser("reference", help="print the page config/README.md")
    reference_command.set_defaults(run=lambda options: print(reference(schema()), end=""))
    check = commands.add_parser(
        "check", help="check a configuration, try its own networks, count its cells"
    )
    check.add_argument("config", nargs="?", default="config.yaml")
    check.set_defaults(run=_check)
    plan = commands.add_parser("plan", help="estimate hours and disk from steps timed here")
    plan.add_argument("config", nargs="?", default="config.yaml")
    plan.add_argument("--gpu", choices=GPU_TERAFLOPS, default="a100", help="estimate for this one")
    plan.set_defaults(run=_plan)
    cell = commands.add_parser("cell", help="train one cell with a progress bar")
    cell.add_argument("config", nargs="?", default="config.yaml")
    for key in IDENTITY:
        cell.add_argument(f"--{key}", required=True, type=int if key in {"size", "seed"} else str)
    cell.add_argument("--output", required=True, type=Path, help="folder for the cell's files")
    cell.set_defaults(run=_cell)
    return parser


def _read(path: str) -> Config:
    try:
        content = yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise ConfigError(f"Configuration {path!r} does not exist.") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"Configuration {path!r} is not YAML: {error}.") from None
    if not isinstance(content, dict):
        raise ConfigError(f"Configuration {path!r} holds no keys.")
    return load(content)


def _check(options: argparse.Namespace) -> None:
    from advdim.planning.trial import network_problems

    config = _read(options.config)
    cells = experiments_by_cell(config)
    if problems := network_problems(config):
        raise ConfigError("\n".join(problems))
    print(f"{options.config} is valid: {len(cells)} cells.")


def _plan(options: argparse.Namespace) -> None:
    from advdim.planning.plan import make_plan

    print(make_plan(_read(options.config), options.gpu))


def _cell(options: argparse.Namespace) -> None:
    from advdim.stages.pixels import prepare_pixels
    from advdim.stages.train import train_cell

    config, cell = _read(options.config), Cell.from_mapping(vars(options))
    for block, known in (("dataset", config.datasets), ("network", config.networks)):
        if getattr(cell, block) not in known:
            raise ConfigError(
                f"Option --{block} names {getattr(cell, block)!r}, not in the config."
            )
    if cell.method not in (methods := config.methods.names()):
        raise ConfigError(f"Option --method is {cell.method!r}; {nearest(cell.method, methods)}")
    if misfit := config.networks[cell.network].misfit(cell.size):
        raise ConfigError(f"Option --size is {cell.size}: {misfit}.")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folder: Path = options.output
    pixels = folder / "pixels.safetensors"
    prepare_pixels(config, cell.dataset, cell.size, pixels)
    files = {name: folder / Path(path).name for name, path in FILES["train"].items()}
    made = train_cell(config, cell, pixels, files, folder / "checkpoints", threads=config.threads)
    write_json(files["record"], made)
    print(f"The cell is in {folder}.")


if __name__ == "__main__":
    sys.exit(main())
