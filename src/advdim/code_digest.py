"""The digest of the code that a result depends on: what a module imports of this package."""

from __future__ import annotations

import ast
import atexit
import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from advdim.files import atomic

PACKAGE = Path(__file__).parent
# Fields of syntax trees that change nothing.
_UNREAD = ("kind", "type_comment")
# What only checks, stores or explains: a change there changes no number.
APART = frozenset(
    f"advdim.{name}"
    for name in (
        "attacks.registry",
        "catalogue",
        "catalogue.attacks",
        "catalogue.bounds",
        "catalogue.entries",
        "catalogue.figures",
        "catalogue.figures_of_attacks",
        "catalogue.methods",
        "catalogue.networks",
        "catalogue.palette",
        "code_digest",
        "config",
        "config.attack_settings",
        "config.attacks",
        "config.base",
        "config.bounds",
        "config.data",
        "config.explain",
        "config.initialisation",
        "config.method_settings",
        "config.numbers",
        "config.problems",
        "config.sweep",
        "config.user_code",
        "files",
        "records",
        "results",
        "runs.memory",
        "runs.provenance",
        "runs.run",
        "stage_code",
        "stages.devices",
        "stages.job",
        "stages.logs",
        "stages.work",
        "sweep",
        "tables",
        "tables.parquet",
        "tables.registry",
        "tensor_files",
        "training.checkpoint",
        "user_code",
    )
)


def code_digest(*modules: str) -> str:
    """Return a hash of modules and of all that they import of this package, however often.

    Comments, docstrings and layout do not count, nor does what stands in ``APART``; the folder
    ``templates`` beside a module does.
    """
    digest = hashlib.sha256()
    for module in sorted(_closure(modules)):
        digest.update(f"{module} {_known(module).digest}\n".encode())
    return digest.hexdigest()[:16]


def _closure(modules: Iterable[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += set(_known(module).imports) - APART
    return found


class _Known(NamedTuple):
    """What is known of a module of the package: its state, its imports there, its digest."""

    state: str
    imports: list[str]
    digest: str


@cache
def _known(module: str) -> _Known:
    """Return a module's digest and imports, from before where its file is as it was then."""
    file = _file(module)
    assert file is not None, module
    templates = sorted((file.parent / "templates").glob("*"))
    state = " ".join(f"{s.st_mtime_ns} {s.st_size}" for s in map(Path.stat, (file, *templates)))
    before = _remembered().get(module)
    if before and before[0] == state:
        return _Known(*before)
    tree = ast.parse(file.read_bytes())
    imports = sorted({name for name in _imported_names(tree) if _file(name)})
    digest = hashlib.sha256(_written(tree).encode())
    for template in templates:
        digest.update(template.read_bytes())
    known = _Known(state, imports, digest.hexdigest())
    _remembered()[module] = list(known)
    return known


@cache
def _remembered() -> dict[str, Any]:
    """Return what earlier processes found out; what this one does is written when it ends."""
    path = PACKAGE / "__pycache__" / "digests.json"
    try:
        known: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        known = {}
    before = len(known), str(known)

    def write() -> None:
        if (len(known), str(known)) != before:
            with contextlib.suppress(OSError), atomic(path) as temporary:
                temporary.write_text(json.dumps(known))

    atexit.register(write)
    return known


def _imported_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                member = f"{node.module}.{alias.name}"
                yield member if _file(member) else node.module


@cache
def _file(module: str) -> Path | None:
    """Return the file of a module or package of advdim, None for anything else."""
    package, *parts = module.split(".")
    path = PACKAGE.joinpath(*parts)
    if package != PACKAGE.name:
        return None
    candidates = (path / "__init__.py", path.with_suffix(".py"))
    return next((file for file in candidates if file.is_file()), None)


def _written(node: object) -> str:
    """Write a syntax tree without docstrings, the same with every version of Python."""
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if name not in _UNREAD)
        parts = [f"{name}={_written(value)}" for name, value in fields if value not in (None, [])]
        return f"{type(node).__name__}({', '.join(parts)})"
    if isinstance(node, list):
        return f"[{', '.join(_written(part) for part in node if not _is_text(part))}]"
    return repr(node)


def _is_text(node: object) -> bool:
    """Tell whether a statement is nothing but text, as docstrings are."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
