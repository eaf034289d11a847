"""All attacks by name: those of ICML 2019, Appendix, Figure 4, and today's reference ensembles.

A new attack is an instance (or a subclass of 10 to 40 lines) in the ``ATTACKS`` of its module and
one line here; the property tests cover whatever is registered. Importing this loads no library.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from advdim.attacks.base import Attack

MODULES = {
    "fgsm": "advdim.attacks.foolbox_suite",
    "gradient_l2": "advdim.attacks.foolbox_suite",
    "iterative_linf": "advdim.attacks.foolbox_suite",
    "iterative_l2": "advdim.attacks.foolbox_suite",
    "pgd_linf": "advdim.attacks.fixed",
    "pgd_l2": "advdim.attacks.fixed",
    "deepfool_l2": "advdim.attacks.foolbox_suite",
    "deepfool_linf": "advdim.attacks.foolbox_suite",
    "ddn_l2": "advdim.attacks.foolbox_suite",
    "fmn_l2": "advdim.attacks.fast_minimum_norm",
    "fmn_linf": "advdim.attacks.fast_minimum_norm",
    "boundary_l2": "advdim.attacks.foolbox_suite",
    "autoattack_linf": "advdim.attacks.autoattack",
    "autoattack_l2": "advdim.attacks.autoattack",
}


class _Attacks(Mapping[str, "Attack"]):
    """The registered attacks; each one's module is imported when it is asked for."""

    def __getitem__(self, name: str) -> Attack:
        attacks: tuple[Attack, ...] = importlib.import_module(MODULES[name]).ATTACKS
        return next(attack for attack in attacks if attack.name == name)

    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    def __len__(self) -> int:
        return len(MODULES)


ATTACKS = _Attacks()
