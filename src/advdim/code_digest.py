"""The digest of the code that a result depends on: what a module imports of this package."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent
# Fields of syntax trees that change nothing.
_UNREAD = ("kind", "type_comment")
# What only checks, stores or explains: a change there changes no number.
APART = frozenset(
    f"advdim.{name}"
    for name in (
        "attacks.registry",
        "code_digest",
        "config",
        "config.attacks",
        "config.base",
        "config.bounds",
        "config.data",
        "config.explain",
        "config.initialisation",
        "config.own",
        "config.problems",
        "config.sweep",
        "figures.registry",
        "files",
        "memory",
        "own",
        "provenance",
        "results",
        "run",
        "stages.devices",
        "stages.job",
        "stages.logs",
        "sweep",
        "tables",
        "tables.parquet",
        "tables.registry",
        "tensor_files",
        "training.checkpoint",
    )
)


def code_digest(*modules: str) -> str:
    """Return a hash of modules and of all that they import of this package, however often.

    Comments, docstrings and layout do not count, nor does what stands in ``APART``.
    """
    digest = hashlib.sha256()
    for module in sorted(_closure(modules)):
        digest.update(f"{module} {_module_digest(module)}\n".encode())
    return digest.hexdigest()[:16]


def _closure(modules: Iterable[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _imports(module) - APART
    return found


@cache
def _imports(module: str) -> frozenset[str]:
    """Return the modules of this package that a module imports, at its top or within functions."""
    return frozenset(name for name in _imported_names(_parsed(module)) if _file(name))


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
    """Return the file of a module or package of ours, None for anything else."""
    package, *parts = module.split(".")
    path = PACKAGE.joinpath(*parts)
    if package != PACKAGE.name:
        return None
    candidates = (path / "__init__.py", path.with_suffix(".py"))
    return next((file for file in candidates if file.is_file()), None)


@cache
def _parsed(module: str) -> ast.Module:
    file = _file(module)
    assert file is not None, module
    return ast.parse(file.read_bytes())


@cache
def _module_digest(module: str) -> str:
    return hashlib.sha256(_written(_parsed(module)).encode()).hexdigest()


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
