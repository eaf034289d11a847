"""Keys that stand twice in one block of a file: YAML keeps the last of them without a word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from advdim.config.explain import ConfigError


def refuse_repeated_keys(files: Iterable[str | Path]) -> None:
    """Raise ConfigError where a block of a file has a key twice; what is no YAML has none."""
    for file in files:
        try:
            root = yaml.compose(Path(file).read_text(), Loader=yaml.SafeLoader)
        except (OSError, yaml.YAMLError):
            continue
        for key, first, second in _repeated(root, set()):
            raise ConfigError(
                f"Configuration {str(file)!r} has the key {key!r} on line {first} and again, in "
                f"the same block, on line {second}: only the last would count."
            )


def _repeated(node: yaml.Node | None, seen: set[int]) -> Iterator[tuple[str, int, int]]:
    """Yield each repeated key with its lines; blocks that are referred to again count once."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item, seen)
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode):
                if key.value in lines:
                    yield key.value, lines[key.value], line
                lines[key.value] = line
            yield from _repeated(value, seen)
