"""The training methods: each regulariser with its settings, look, cost and first-order factor.

A new one is a function in ``advdim.training`` and an entry here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from advdim.catalogue.entries import Entry, Look, load
from advdim.catalogue.palette import BLUE, LIGHT_BLUE, ORANGE, PURPLE, RED, TAN

# Of a method of the user's: as many passes as PGD with its usual steps.
USERS_PASSES = 8.5


@dataclass(frozen=True, kw_only=True)
class MethodEntry(Entry):
    """One training method.

    Attributes:
        function: called as ``function(network, inputs, targets, epsilon, **settings)``.
        settings: the model of its settings in the configuration.
        look: how figures show it.
        passes: per image and step of training, or a function of the settings; one pass is a
            forward and a backward to the input.
        first_order_factor: of ``epsilon_p E||dL/dx||_q`` in the objective's first-order expansion,
            NaN where the strength has other units; or the path of a function of the settings.
        strength_power: of the gradient's norm that the strength multiplies, by which units change.
    """

    settings: str = "advdim.config.method_settings:PenaltySettings"
    look: Look
    passes: float | Callable[[Any], float]
    first_order_factor: float | str
    strength_power: int = 1

    @property
    def modules(self) -> list[str]:
        """The modules that its results depend on, for digests of code."""
        factor = self.first_order_factor
        return [*super().modules, *([factor.split(":")[0]] if isinstance(factor, str) else [])]

    def factor(self, settings: Mapping[str, Any]) -> float:
        """Return the first-order factor under some settings."""
        factor = self.first_order_factor
        return float(load(factor)(settings)) if isinstance(factor, str) else factor


def _of_pgd(settings: Any) -> float:
    return float(settings.steps + 1.5)


METHODS: dict[str, MethodEntry] = {
    entry.name: entry
    for entry in (
        MethodEntry(
            name="none",
            function="advdim.training.regularisers:none",
            look=Look(label="no regularisation", colour="black", marker="*"),
            passes=1.5,
            first_order_factor=0.0,
        ),
        MethodEntry(
            name="grad_l1",
            function="advdim.training.regularisers:grad_l1",
            look=Look(label=r"gradient penalty, $\ell_1$", colour=BLUE, marker="o"),
            passes=3.5,
            first_order_factor=0.5,
        ),
        MethodEntry(
            name="grad_l2",
            function="advdim.training.regularisers:grad_l2",
            look=Look(label=r"gradient penalty, $\ell_2$", colour=LIGHT_BLUE, marker="s"),
            passes=3.5,
            first_order_factor=0.5,
        ),
        MethodEntry(
            name="aug_linf",
            function="advdim.training.regularisers:aug_linf",
            settings="advdim.config.method_settings:AugmentationMethodSettings",
            look=Look(label=r"adversarial augmentation, $\ell_\infty$", colour=ORANGE, marker="v"),
            passes=4.0,
            first_order_factor=0.5,
        ),
        MethodEntry(
            name="aug_l2",
            function="advdim.training.regularisers:aug_l2",
            settings="advdim.config.method_settings:AugmentationMethodSettings",
            look=Look(label=r"adversarial augmentation, $\ell_2$", colour=TAN, marker="^"),
            passes=4.0,
            first_order_factor=0.5,
        ),
        MethodEntry(
            name="pgd_linf",
            function="advdim.training.regularisers:pgd_linf",
            settings="advdim.config.method_settings:PgdMethodSettings",
            look=Look(label=r"PGD, $\ell_\infty$", colour=RED, marker="D"),
            passes=_of_pgd,
            first_order_factor="advdim.training.regularisers:pgd_first_order_factor",
        ),
        MethodEntry(
            name="cross_lipschitz",
            function="advdim.training.regularisers:cross_lipschitz",
            look=Look(label="cross-Lipschitz", colour=PURPLE, marker="X"),
            passes=21.5,
            first_order_factor=math.nan,
            # It penalises squared gradients (ICML 2019, Eq. 18); all other strengths are
            # thresholds, or multiply a gradient's norm.
            strength_power=2,
        ),
    )
}


def training_passes(method: str, settings: Any) -> float:
    """Count a method's passes per image and step of training."""
    if method not in METHODS:
        return USERS_PASSES
    passes = METHODS[method].passes
    return passes if isinstance(passes, float) else passes(settings)


def first_order_factor(method: str, settings: Mapping[str, Any]) -> float:
    """Return a method's first-order factor; NaN, not known, for one of the user's."""
    return METHODS[method].factor(settings) if method in METHODS else math.nan


def strength_power(method: str) -> int:
    """Return the power of the gradient's norm that a method's strength multiplies."""
    return METHODS[method].strength_power if method in METHODS else 1
