"""The configuration's reference page, written from its schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

INTRODUCTION = """# Configuration

A sweep is one YAML file: `config.yaml` at the top of the project is the default one, larger ones
are in `config/presets/`. Another is run with `snakemake --cores all --configfile FILE`, and as a
part of another workflow by giving its content to `module ... config:`. Every key is checked before
anything runs. This page is written from the schema by `make schema`.
"""
# In the order in which a file is usually read.
FIRST = ("Config", "Experiment", "InitialisationExperiment", "Training", "Measurement", "Methods")


def reference(schema: Mapping[str, Any]) -> str:
    """Return the page: a section per block of settings, a line per key."""
    blocks = {"Config": schema, **schema["$defs"]}
    ordered = [*FIRST, *sorted(set(blocks) - set(FIRST))]
    sections = ("\n".join(_section(name, blocks[name])) for name in ordered)
    return INTRODUCTION + "\n" + "\n".join(section for section in sections if section)


def _section(name: str, block: Mapping[str, Any]) -> Iterator[str]:
    if "properties" not in block:
        return
    yield f"## {name}\n"
    yield block.get("description", "").split("\n\n")[0].replace("\n", " ") + "\n"
    yield "| key | value | default | meaning |\n| --- | --- | --- | --- |"
    required = set(block.get("required", ()))
    for key, value in block["properties"].items():
        default = "required" if key in required else _code(value.get("default"))
        meaning = value.get("description", "").replace("\n", " ").replace("|", "\\|")
        yield f"| `{key}` | {_kind(value)} | {default} | {meaning} |"
    yield ""


def _code(value: object) -> str:
    text = json.dumps(value)
    return f"`{text}`" if len(text) < 40 else "see its block"


def _kind(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        return value["$ref"].split("/")[-1]
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return " ".join(f"`{choice}`" for choice in value["enum"])
    for several in ("anyOf", "oneOf"):
        if several in value:
            return " or ".join(dict.fromkeys(map(_kind, value[several])))
    if value.get("type") == "array":
        return f"list of {_kind(value['items'])}" if "items" in value else "list"
    for named in (value.get("additionalProperties"), *value.get("patternProperties", {}).values()):
        if isinstance(named, Mapping):
            return f"by name: {_kind(named)}"
    return str(value.get("type", "any"))
