"""Methods and attacks of the user's, in blocks whose other keys are the known names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from advdim import user_code
from advdim.config.base import Settings
from advdim.config.explain import ConfigError, nearest
from advdim.config.numbers import Arguments

NAME = re.compile(r"^[a-z0-9_]{1,100}$")


class UserCode(Settings):
    """A function of the user's, by import path, and what it is given beside its usual arguments."""

    positional: ClassVar[int]
    optional: ClassVar[tuple[str, ...]] = ()

    module: str = Field(pattern=user_code.PATTERN, description="'package.module:function'")
    arguments: Arguments = {}

    @model_validator(mode="after")
    def _usable(self) -> UserCode:
        user_code.check_function(self.module, self.positional, self.optional, self.arguments)
        return self


class UserMethod(UserCode):
    """A training method, called as ``function(network, inputs, targets, epsilon, **arguments)``.

    It returns the scalar to be minimised; the keywords ``random`` (a generator) and ``crafting``
    (the network to make perturbations with) are given where it has arguments of these names.
    """

    positional: ClassVar[int] = 4
    optional: ClassVar[tuple[str, ...]] = ("random", "crafting")


class UserAttack(UserCode):
    """An attack, called as ``function(batch, threshold, **arguments)``, or a class of attacks.

    The function returns perturbed inputs within ``threshold``, one number or one per sample, of
    ``batch.inputs``; a class is a subclass of ``advdim.attacks.base.Attack``.
    """

    positional: ClassVar[int] = 2

    norm: Literal["linf", "l2"] = Field("linf", description="of the ball it stays in")


def refuse_unknown(value: Any, block: str, known: Iterable[str], what: str) -> Any:
    """Raise ConfigError for a key that is neither known nor the name of code of the user's."""
    if not isinstance(value, dict):
        return value
    known = list(known)
    for name, settings in value.items():
        if name in known:
            continue
        key = f"Config key '{block}.{name}'"
        if not isinstance(settings, UserCode | dict) or (
            isinstance(settings, dict) and "module" not in settings
        ):
            raise ConfigError(
                f"{key} is unknown; {nearest(str(name), known)} {what} of your own gives 'module'."
            )
        if not NAME.match(str(name)):
            raise ConfigError(
                f"{key}: a name holds the characters a-z, 0-9 and _ only, 100 at most."
            )
        if hasattr(Settings, name) or name in {"names", "user", "none"}:
            raise ConfigError(f"{key}: this name has a meaning of its own; choose another.")
    return value
