"""Methods and attacks of the user's are called once before anything is trained."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator

from advdim.config import Config
from advdim.config.user_code import UserAttack, UserCode
from advdim.planning.first_call import attack_call_fault, method_call_fault
from advdim.planning.usual import Seen
from advdim.user_code import UserCodeError, argument_fault, call_fault, imported

# Arguments of a class of attacks that are not the user's to choose.
GIVEN = ("name", "norm", "reference")


def own_code_problems(config: Config, seen: Seen) -> Iterator[str]:
    """Yield a sentence for own methods and attacks that cannot be called as they will be."""
    for name, code in (config.methods.model_extra or {}).items():
        if fault := _method_fault(code) or method_call_fault(config, seen, name, code):
            yield f"Config key 'methods.{name}': {fault}."
    for name, code in (config.attacks.options.model_extra or {}).items():
        if fault := _attack_fault(name, code) or attack_call_fault(config, seen, name, code):
            yield f"Config key 'attacks.options.{name}': {fault}."


def _method_fault(code: UserCode) -> str | None:
    try:
        return _function_fault(imported(code.module), code, code.optional)
    except UserCodeError as error:
        return str(error)


def _function_fault(found: object, code: UserCode, optional: Collection[str] = ()) -> str | None:
    """Return half a sentence where a function does not take what it will be given."""
    if not callable(found) or isinstance(found, type):
        return f"{code.module!r} is no function"
    try:
        signature = inspect.signature(found)
    except (ValueError, TypeError):
        return None
    fault = call_fault(signature, code.positional, optional, code.arguments)
    return f"{code.module!r} {fault}" if fault else None


def _attack_fault(name: str, code: UserAttack) -> str | None:
    """Return half a sentence where an attack, a function or a class, cannot be made."""
    from advdim.attacks.base import Attack
    from advdim.attacks.user import user_attack

    try:
        found = imported(code.module)
    except UserCodeError as error:
        return str(error)
    if not isinstance(found, type):
        return _function_fault(found, code)
    if not issubclass(found, Attack):
        return f"{code.module!r} is a class, but no subclass of advdim.attacks.base.Attack"
    if fault := argument_fault(code.module, code.arguments, GIVEN):
        return fault
    try:
        user_attack(name, code.norm, code.module, code.arguments)
    except Exception as error:
        return f"{code.module!r} cannot be made with the configured arguments: {error}"
    return None
