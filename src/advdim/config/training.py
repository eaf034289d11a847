"""Settings of training, of its methods, and of the measurements taken during it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, PositiveFloat, PositiveInt, create_model, model_validator

from advdim.catalogue.methods import METHODS
from advdim.config.base import Settings, settings_fields
from advdim.config.user_code import UserMethod, refuse_unknown

if TYPE_CHECKING:
    Method = str
else:
    Method = Literal[tuple(METHODS)]


Precision = Literal["auto", "float32", "tf32", "bfloat16_backward", "anchored", "bfloat16"]


class _Methods(Settings):
    """The settings of each method; a cell depends on those of its own method only.

    Any other key is the name of a method of the user's.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, UserMethod]
    user: ClassVar[type[UserMethod]] = UserMethod

    @model_validator(mode="before")
    @classmethod
    def _known_or_own(cls, value: Any) -> Any:
        return refuse_unknown(value, "methods", cls.model_fields, "A method")

    def names(self) -> list[str]:
        """Return every name that an experiment may list: the known ones, then the user's."""
        return [*type(self).model_fields, *(self.model_extra or {})]


if TYPE_CHECKING:
    Methods = _Methods
else:
    Methods = create_model(
        "Methods", __base__=_Methods, __doc__=_Methods.__doc__, **settings_fields(METHODS)
    )


class Measurement(Settings):
    """What is measured, and the l-inf PGD attack with which it is (ICML 2019, Section 4.2)."""

    every: PositiveInt = Field(10, description="epochs between two measurements")
    summary_epochs: PositiveInt = Field(20, description="last epochs, each measured, summarised")
    threshold: float = Field(
        0.004,
        ge=0,
        description="of the test attack, l-inf; 0.0008 by default where units are pixel",
    )
    steps: PositiveInt = 10
    relative_step: PositiveFloat = Field(1 / 7.5, description="step over threshold")
    random_start: bool = False
    tie_noise: float = Field(1e-4, ge=0, description="uniform noise, normalised, breaks ties")
    batch_size: PositiveInt = 256
    images: PositiveInt | None = Field(None, description="per split; default: the whole test set")


class Training(Settings):
    """The optimiser, its schedule, and the measurements (docs/experiments/README.md)."""

    epochs: int = Field(
        200, ge=0, le=100_000, description="0: the network is measured as it is, and not trained"
    )
    batch_size: int = Field(128, ge=2)
    learning_rate: PositiveFloat = 0.01
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    halve_every: PositiveInt = Field(30, description="epochs between two learning-rate halvings")
    reload_best: bool = Field(True, description="at a halving, go back to the best validation net")
    precision: Precision = Field(
        "auto",
        description="how training attacks are crafted where the device has bfloat16, else float32. "
        "bfloat16_backward: their gradients go back through convolutions in bfloat16. anchored: "
        "so, and steps after the first take in bfloat16 how inputs have moved since. bfloat16: all "
        "of it, not for max pools: rounding makes nearly equal inputs equal. tf32 (GPUs): weights "
        "learn in it, too. auto: anchored on a GPU, float32 on a processor. Measures are always "
        "float32",
    )
    measurement: Measurement = Measurement()

    def measured(self, epoch: int) -> bool:
        """Tell whether this epoch is measured: the first, every k-th, and each of the last."""
        return epoch % self.measurement.every == 0 or self.summarised(epoch)

    def summarised(self, epoch: int) -> bool:
        """Tell whether this epoch is one of the last, over which statistics are taken.

        Without training that is epoch -1.
        """
        first = max(0, self.epochs - self.measurement.summary_epochs) if self.epochs else -1
        return epoch >= first
