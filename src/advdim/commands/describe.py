"""Print what is made from the configuration's definition: its schema and its reference."""

from __future__ import annotations

import argparse
import json

from advdim.commands.base import Command
from advdim.config import schema
from advdim.config.reference import reference


def _schema(_options: argparse.Namespace) -> None:
    print(json.dumps(schema(), indent=1))


def _reference(_options: argparse.Namespace) -> None:
    print(reference(schema()), end="")


SCHEMA = Command(
    "schema",
    "print the JSON schema of config.yaml",
    "advdim schema > config.schema.json",
    _schema,
)
REFERENCE = Command(
    "reference",
    "print a page that explains every key of config.yaml",
    "advdim reference > keys.md",
    _reference,
)
