"""Settings of the evaluation attacks: thresholds, images, targets, and each attack's own effort.

The names are those of ``advdim.attacks.registry``, declared here once more without its libraries,
so that reading a configuration imports none of them; a test compares the two.
"""

from __future__ import annotations

import typing
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from advdim.config.base import Name, Settings
from advdim.config.own import OwnAttack, refuse_unknown

AttackName = Literal[
    "fgsm",
    "gradient_l2",
    "iterative_linf",
    "iterative_l2",
    "pgd_linf",
    "pgd_l2",
    "deepfool_l2",
    "deepfool_linf",
    "ddn_l2",
    "fmn_l2",
    "fmn_linf",
    "boundary_l2",
    "autoattack_linf",
    "autoattack_l2",
]
ATTACK_NAMES: tuple[AttackName, ...] = typing.get_args(AttackName)
Threshold = Annotated[float, Field(gt=0)]


class OneStepOptions(Settings):
    """A one-step attack has no effort to set."""


class StepOptions(Settings):
    """An attack that iterates; the registry's own effort where nothing is given."""

    steps: PositiveInt | None = None


class IterativeOptions(StepOptions):
    """An attack whose steps are shares of the threshold."""

    relative_step: PositiveFloat | None = Field(None, description="step over threshold")


class PgdOptions(IterativeOptions):
    """Projected gradient descent."""

    restarts: NonNegativeInt | None = Field(
        None, description="random starts; 0 starts once, at the clean image"
    )


class AutoAttackOptions(StepOptions):
    """The ensemble of Croce and Hein (2020)."""

    queries: PositiveInt | None = Field(None, description="of the black-box member, Square")


class AttackOptions(Settings):
    """The effort of each attack; a result depends on that of its own attack only.

    Any other key is the name of an attack of one's own.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, OwnAttack]
    own: ClassVar[type[OwnAttack]] = OwnAttack

    fgsm: OneStepOptions = OneStepOptions()
    gradient_l2: OneStepOptions = OneStepOptions()
    iterative_linf: IterativeOptions = IterativeOptions()
    iterative_l2: IterativeOptions = IterativeOptions()
    pgd_linf: PgdOptions = PgdOptions()
    pgd_l2: PgdOptions = PgdOptions()
    deepfool_l2: StepOptions = StepOptions()
    deepfool_linf: StepOptions = StepOptions()
    ddn_l2: StepOptions = StepOptions()
    fmn_l2: StepOptions = StepOptions()
    fmn_linf: StepOptions = StepOptions()
    boundary_l2: StepOptions = StepOptions()
    autoattack_linf: AutoAttackOptions = AutoAttackOptions()
    autoattack_l2: AutoAttackOptions = AutoAttackOptions()

    @model_validator(mode="before")
    @classmethod
    def _known_or_own(cls, value: Any) -> Any:
        return refuse_unknown(value, "attacks.options", cls.model_fields, "An attack")

    def names(self) -> list[str]:
        """Return every name that an experiment may list: the known ones, then one's own."""
        return [*type(self).model_fields, *(self.model_extra or {})]


class Examples(Settings):
    """Which perturbed images the figure ``adversarial_examples`` shows."""

    attack: AttackName | str = "pgd_linf"
    images: PositiveInt = Field(4, description="test images per size")


class Attacks(Settings):
    """How every trained cell is attacked.

    Thresholds are given for the l-inf norm; an l2 attack gets ``threshold * sqrt(d)`` (ICML 2019,
    Eq. 3).
    """

    threshold: Threshold = Field(
        0.025,
        description="at which attacks are reported: that of Section 4.1, .5 % of the pixel range; "
        "0.005 by default where units are pixel",
    )
    threshold_by_network: dict[Name, Threshold] = Field(
        {}, description="of the networks that have one of their own"
    )
    thresholds: list[Threshold] = Field(
        [0.0025, 0.005, 0.01, 0.05, 0.1, 0.25],
        description="further ones; by default a fifth of these where units are pixel",
    )
    images: PositiveInt | None = Field(1000, description="test images; null: the whole test set")
    box: bool = Field(False, description="clip to pixels in [0, 1]; the definition does not")
    seed: NonNegativeInt = 0
    batch_size: PositiveInt = Field(32, description="no influence on results; GPUs want hundreds")
    options: AttackOptions = AttackOptions()
    examples: Examples = Examples()

    def threshold_of(self, network: str) -> float:
        """Return the threshold at which a network's losses and predictions are reported."""
        return self.threshold_by_network.get(network, self.threshold)
