"""Code of the user's, named in a configuration as ``package.module:name``.

A module is found on the Python path or in the working directory. Everything but ``imported`` reads
the file without running it, so that a mistake is told before anything is trained.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from advdim.files import from_here

PATTERN = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"


class UserCodeError(ValueError):
    """Code of the user's cannot be used; the message says which and why."""


def source_file(path: str) -> Path:
    """Return the file of ``package.module:name``; raises UserCodeError where there is none."""
    name = path.split(":")[0]
    _search_working_directory()
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    except Exception as error:
        raise UserCodeError(f"package of module {name!r} cannot be imported: {error}") from error
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise UserCodeError(
            f"module {name!r} cannot be found on the Python path or in the working directory"
        )
    return Path(spec.origin)


def check(path: str) -> None:
    """Raise UserCodeError unless the module's file can be read and defines the name."""
    _definition(path)


def check_function(
    path: str, positional: int, optional: Iterable[str], arguments: Mapping[str, Any]
) -> None:
    """Raise UserCodeError unless a function takes that many positional and these arguments.

    ``optional`` are keywords that it is given if it names them. What is no plain function (a
    class, an imported or decorated one) is left to the call.
    """
    found = _definition(path)
    if not isinstance(found, ast.FunctionDef) or found.decorator_list:
        return
    fault = call_fault(_signature(found.args), positional, optional, arguments)
    if fault:
        raise UserCodeError(f"function {path!r} {fault}")


def call_fault(
    signature: inspect.Signature,
    positional: int,
    optional: Iterable[str],
    arguments: Mapping[str, Any],
) -> str | None:
    """Return half a sentence where a signature does not take what ``check_function`` describes."""
    given = {name: None for name in optional if name in signature.parameters}
    if twice := sorted(given.keys() & arguments.keys()):
        return f"is given {twice[0]!r} by advdim: take it out of the arguments"
    taken = [*list(signature.parameters)[:positional], *given]
    if unknown := unknown_argument(signature, arguments, taken):
        return unknown
    try:
        signature.bind(*[None] * positional, **{**given, **arguments})
    except TypeError as error:
        return f"does not accept {positional} positional and the configured arguments: {error}"
    return None


def unknown_argument(
    signature: inspect.Signature, arguments: Mapping[str, Any], given: Collection[str]
) -> str | None:
    """Return half a sentence on the first of the arguments that a signature does not have.

    ``given`` are names whose values are not the user's to choose.
    """
    kinds = inspect.Parameter
    if any(parameter.kind == kinds.VAR_KEYWORD for parameter in signature.parameters.values()):
        return None
    named = {kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY}
    known = [name for name, parameter in signature.parameters.items() if parameter.kind in named]
    for name in arguments:
        if name not in known:
            free = [name for name in known if name not in given]
            close = get_close_matches(name, free, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]!r}? It takes" if close else "it takes"
            return f"has no argument {name!r}; {hint} {', '.join(free) or 'none'}"
    return None


def argument_fault(path: str, arguments: Mapping[str, Any], given: Collection[str]) -> str | None:
    """Return ``unknown_argument`` of what a path names, with its name before; imports it."""
    try:
        signature = inspect.signature(imported(path))
    except (UserCodeError, ValueError, TypeError):
        return None
    unknown = unknown_argument(signature, arguments, given)
    return f"{path!r} {unknown}" if unknown else None


def fingerprint(path: str) -> str:
    """Return a hash of the module's file, without its comments and layout.

    What the file imports does not enter.
    """
    file = source_file(path)
    if file.suffix != ".py":
        return hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    return _fingerprint(file, file.stat().st_mtime_ns)


@cache
def _fingerprint(file: Path, time: int) -> str:
    return hashlib.sha256(ast.unparse(_parsed(file)).encode()).hexdigest()[:16]


def imported(path: str) -> Any:
    """Import what ``package.module:name`` names; raises UserCodeError where that fails."""
    module, name = path.split(":")
    _search_working_directory()
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:
        raise UserCodeError(f"{path!r} cannot be imported: {error}") from error


def _search_working_directory() -> None:
    """Let modules lie where the sweep is started, which a command's own path leaves out."""
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())


def _definition(path: str) -> ast.AST | None:
    """Return what defines the name at the file's top level, or None where it cannot be told."""
    module, name = path.split(":")
    file = source_file(path)
    if file.suffix != ".py":
        return None
    names = []
    for node in ast.walk(_parsed(file)):
        match node:
            case ast.FunctionDef(name=found) | ast.ClassDef(name=found):
                if found == name:
                    # Below a condition it may be another, or not be there.
                    return None if node.col_offset else node
                if not (node.col_offset or found.startswith("_")):
                    names.append(found)
            case ast.Name(id=found, ctx=ast.Store()) if found == name:
                return None
            case ast.alias() if name == (node.asname or node.name) or node.name == "*":
                return None
    raise UserCodeError(
        f"module {module!r} has no {name!r}; it has {', '.join(names) or 'nothing'}"
    )


def _parsed(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise UserCodeError(f"{from_here(file)!r} is not valid Python: {error}") from error


def _signature(arguments: ast.arguments) -> inspect.Signature:
    """Return a function's signature from its source, every default standing for any value."""
    kinds = inspect.Parameter
    positional = [*arguments.posonlyargs, *arguments.args]
    required = len(positional) - len(arguments.defaults)
    parameters = [
        inspect.Parameter(
            argument.arg,
            kinds.POSITIONAL_ONLY
            if k < len(arguments.posonlyargs)
            else kinds.POSITIONAL_OR_KEYWORD,
            default=kinds.empty if k < required else None,
        )
        for k, argument in enumerate(positional)
    ]
    if arguments.vararg:
        parameters.append(inspect.Parameter(arguments.vararg.arg, kinds.VAR_POSITIONAL))
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        value = kinds.empty if default is None else None
        parameters.append(inspect.Parameter(argument.arg, kinds.KEYWORD_ONLY, default=value))
    if arguments.kwarg:
        parameters.append(inspect.Parameter(arguments.kwarg.arg, kinds.VAR_KEYWORD))
    return inspect.Signature(parameters)
