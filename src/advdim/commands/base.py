"""What a command is, and the configuration that most commands read."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from advdim.config import Config, ConfigError, load
from advdim.config.repeated_keys import refuse_repeated_keys

# Characters in a line of what commands print.
WIDTH = 100


@dataclass(frozen=True)
class Command:
    """A command: what it does, an example, its arguments, and a function that returns its status.

    ``run`` returns an exit status, or None for success.
    """

    name: str
    summary: str
    example: str
    run: Callable[[argparse.Namespace], int | None]
    arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None

    def add_to(self, commands: Any) -> None:
        """Add the command's parser to those of ``argparse``."""
        parser = commands.add_parser(
            self.name,
            help=self.summary,
            description=f"{self.summary[0].upper()}{self.summary[1:]}.",
            epilog=f"example:\n  {self.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.arguments(parser)
        parser.set_defaults(run=self.run)


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names the sweep's file."""
    parser.add_argument(
        "config", nargs="?", default="config.yaml", help="the sweep's file; default: %(default)s"
    )


def read_config(path: str, **changed: object) -> Config:
    """Read and check a sweep's file, with some keys changed; raises ConfigError."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"Configuration {path!r} does not exist.") from None
    except OSError as error:
        raise ConfigError(f"Configuration {path!r} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"Configuration {path!r} is not UTF-8: {error}.") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"Configuration {path!r} is not YAML: {error}.") from None
    if not isinstance(content, dict):
        raise ConfigError(f"Configuration {path!r} holds no keys.")
    refuse_repeated_keys([path])
    return load({**content, **changed})


def wrapped(text: str, indent: str = "") -> list[str]:
    """Return the lines of a text, indented, none wider than ``WIDTH``."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
