"""The evaluation attacks: each with its options, look and cost.

They are those of ICML 2019, Appendix, Figure 4, and today's reference ensembles. A new one is an
``Attack`` in a module of ``advdim.attacks``, which may be a function alone, and an entry here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from advdim.catalogue.entries import Entry, Look
from advdim.catalogue.palette import (
    BLUE,
    BROWN,
    DARK_GREY,
    DARK_ORANGE,
    LIGHT_BLUE,
    ORANGE,
    PURPLE,
    RED,
)

# Of an attack of the user's, at each threshold.
USERS_PASSES = 40.0
# Members of AutoAttack that each take their steps, for its targets: measured, not counted.
AUTOATTACK_RUNS = 12


@dataclass(frozen=True, kw_only=True)
class AttackEntry(Entry):
    """One evaluation attack.

    Attributes:
        function: an ``advdim.attacks.base.Attack``.
        settings: the model of its options in the configuration.
        look: how figures show it.
        passes: per image, or a function of the options.
        per_threshold: whether it runs again at each threshold; one that looks for the smallest
            perturbation does not.
    """

    settings: str = "advdim.config.attack_settings:OneStepOptions"
    look: Look
    passes: float | Callable[[Any], float]
    per_threshold: bool = False

    def load(self) -> Any:
        """Import the attack and tell it its name."""
        return replace(super().load(), name=self.name)


def _steps(usual: int) -> Callable[[Any], float]:
    """Return the passes of an attack of one pass a step, ``usual`` where none are configured."""
    return lambda options: float(options.steps or usual)


def _of_pgd(options: Any) -> float:
    # Each step looks at the loss that it has reached, too.
    return 2.0 * (options.steps or 20) * max(options.restarts or 1, 1)


def _of_deepfool(options: Any) -> float:
    # Each step takes the gradients of ten classes.
    return 10.0 * (options.steps or 50)


def _of_autoattack(options: Any) -> float:
    # A query of the black-box member is a forward pass alone.
    return float(AUTOATTACK_RUNS * (options.steps or 100) + (options.queries or 5000) / 2)


ATTACKS: dict[str, AttackEntry] = {
    entry.name: entry
    for entry in (
        AttackEntry(
            name="fgsm",
            function="advdim.attacks.foolbox_suite:fgsm",
            look=Look(label=r"FGSM, $\ell_\infty$", colour=BLUE, marker="o"),
            passes=1.0,
        ),
        AttackEntry(
            name="iterative_linf",
            function="advdim.attacks.foolbox_suite:iterative_linf",
            settings="advdim.config.attack_settings:IterativeOptions",
            look=Look(label=r"iterative, $\ell_\infty$", colour=LIGHT_BLUE, marker="v"),
            passes=_steps(10),
            per_threshold=True,
        ),
        AttackEntry(
            name="pgd_linf",
            function="advdim.attacks.at_threshold:pgd_linf",
            settings="advdim.config.attack_settings:PgdOptions",
            look=Look(label=r"PGD, $\ell_\infty$", colour=RED, marker="D"),
            passes=_of_pgd,
            per_threshold=True,
        ),
        AttackEntry(
            name="deepfool_linf",
            function="advdim.attacks.foolbox_suite:deepfool_linf",
            settings="advdim.config.attack_settings:StepOptions",
            look=Look(label=r"DeepFool, $\ell_\infty$", colour=ORANGE, marker="P"),
            passes=_of_deepfool,
        ),
        AttackEntry(
            name="fmn_linf",
            function="advdim.attacks.fast_minimum_norm:fmn_linf",
            settings="advdim.config.attack_settings:StepOptions",
            look=Look(label=r"FMN, $\ell_\infty$", colour=DARK_ORANGE, marker="h"),
            passes=_steps(100),
        ),
        AttackEntry(
            name="autoattack_linf",
            function="advdim.attacks.autoattack:autoattack_linf",
            settings="advdim.config.attack_settings:AutoAttackOptions",
            look=Look(label=r"AutoAttack, $\ell_\infty$", colour=DARK_GREY, marker="X"),
            passes=_of_autoattack,
        ),
        AttackEntry(
            name="gradient_l2",
            function="advdim.attacks.foolbox_suite:gradient_l2",
            look=Look(label=r"gradient step, $\ell_2$", colour=BLUE, marker="o"),
            passes=1.0,
        ),
        AttackEntry(
            name="iterative_l2",
            function="advdim.attacks.foolbox_suite:iterative_l2",
            settings="advdim.config.attack_settings:IterativeOptions",
            look=Look(label=r"iterative, $\ell_2$", colour=LIGHT_BLUE, marker="v"),
            passes=_steps(10),
            per_threshold=True,
        ),
        AttackEntry(
            name="pgd_l2",
            function="advdim.attacks.at_threshold:pgd_l2",
            settings="advdim.config.attack_settings:PgdOptions",
            look=Look(label=r"PGD, $\ell_2$", colour=RED, marker="D"),
            passes=_of_pgd,
            per_threshold=True,
        ),
        AttackEntry(
            name="deepfool_l2",
            function="advdim.attacks.foolbox_suite:deepfool_l2",
            settings="advdim.config.attack_settings:StepOptions",
            look=Look(label=r"DeepFool, $\ell_2$", colour=ORANGE, marker="P"),
            passes=_of_deepfool,
        ),
        AttackEntry(
            name="ddn_l2",
            function="advdim.attacks.foolbox_suite:ddn_l2",
            settings="advdim.config.attack_settings:StepOptions",
            look=Look(label=r"DDN, $\ell_2$", colour=PURPLE, marker="s"),
            passes=_steps(100),
        ),
        AttackEntry(
            name="fmn_l2",
            function="advdim.attacks.fast_minimum_norm:fmn_l2",
            settings="advdim.config.attack_settings:StepOptions",
            look=Look(label=r"FMN, $\ell_2$", colour=DARK_ORANGE, marker="h"),
            passes=_steps(100),
        ),
        AttackEntry(
            name="boundary_l2",
            function="advdim.attacks.foolbox_suite:boundary_l2",
            settings="advdim.config.attack_settings:StepOptions",
            look=Look(label=r"Boundary, $\ell_2$", colour=BROWN, marker="^"),
            passes=_steps(2000),
        ),
        AttackEntry(
            name="autoattack_l2",
            function="advdim.attacks.autoattack:autoattack_l2",
            settings="advdim.config.attack_settings:AutoAttackOptions",
            look=Look(label=r"AutoAttack, $\ell_2$", colour=DARK_GREY, marker="X"),
            passes=_of_autoattack,
        ),
    )
}


def attack_passes(attack: str, options: Any, thresholds: int) -> float:
    """Count an attack's passes per image, at so many thresholds."""
    if attack not in ATTACKS:
        return USERS_PASSES * thresholds
    entry = ATTACKS[attack]
    passes = entry.passes if isinstance(entry.passes, float) else entry.passes(options)
    return passes * thresholds if entry.per_threshold else passes
