"""Settings of the evaluation attacks: thresholds, images, and each attack's own effort."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import (
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    create_model,
    model_validator,
)

from advdim.catalogue.attacks import ATTACKS
from advdim.config.base import Name, Settings, settings_fields
from advdim.config.user_code import UserAttack, refuse_unknown

if TYPE_CHECKING:
    AttackName = str
else:
    AttackName = Literal[tuple(ATTACKS)]
Threshold = Annotated[float, Field(gt=0)]


class _AttackOptions(Settings):
    """The effort of each attack; a result depends on that of its own attack only.

    Any other key is the name of an attack of the user's.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, UserAttack]
    user: ClassVar[type[UserAttack]] = UserAttack

    @model_validator(mode="before")
    @classmethod
    def _known_or_own(cls, value: Any) -> Any:
        return refuse_unknown(value, "attacks.options", cls.model_fields, "An attack")

    def names(self) -> list[str]:
        """Return every name that an experiment may list: the known ones, then the user's."""
        return [*type(self).model_fields, *(self.model_extra or {})]


if TYPE_CHECKING:
    AttackOptions = _AttackOptions
else:
    AttackOptions = create_model(
        "AttackOptions",
        __base__=_AttackOptions,
        __doc__=_AttackOptions.__doc__,
        **settings_fields(ATTACKS),
    )


class Examples(Settings):
    """Which perturbed images the figure ``adversarial_examples`` shows."""

    attack: AttackName | str = "pgd_linf"
    images: int = Field(4, gt=0, le=20, description="test images per size")


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
    batch_size: PositiveInt = Field(
        32,
        description="images at once; changes results by rounding alone, to which ddn_l2 is "
        "sensitive; GPUs want hundreds",
    )
    options: AttackOptions = AttackOptions()
    examples: Examples = Examples()

    def threshold_of(self, network: str) -> float:
        """Return the threshold at which a network's losses and predictions are reported."""
        return self.threshold_by_network.get(network, self.threshold)
