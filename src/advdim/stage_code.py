"""The code that the results of each stage depend on, beside the user's own."""

from __future__ import annotations

from functools import cache

from advdim.catalogue.attacks import ATTACKS
from advdim.catalogue.bounds import BOUNDS
from advdim.catalogue.methods import METHODS
from advdim.catalogue.networks import NETWORKS
from advdim.code_digest import code_digest
from advdim.sweep import digest


def attack_modules(attack: str) -> list[str]:
    """Return the module of a known attack, none for any other name."""
    return ATTACKS[attack].modules if attack in ATTACKS else []


def training_modules() -> list[str]:
    """Return the modules that any network is trained by: the stage's, methods' and networks'."""
    entries = [*METHODS.values(), *NETWORKS.values()]
    return ["advdim.stages.train", *(module for entry in entries for module in entry.modules)]


@cache
def stage_code(stage: str, kind: str, method: str, attack: str) -> str:
    """Return the digest of a stage's code for a kind of network, a method and an attack."""
    modules = [f"advdim.stages.{stage}", *(NETWORKS[kind].modules if kind else [])]
    if stage == "attack":
        modules += attack_modules(attack)
    if stage == "bounds":
        modules += [module for entry in BOUNDS.values() for module in entry.modules]
    if stage != "train" or method not in METHODS:
        return code_digest(*modules)
    # The factor is recorded with the network; the entry's look and cost are not.
    code = code_digest(*modules, *METHODS[method].modules)
    return digest(f"{code} {METHODS[method].first_order_factor}")
