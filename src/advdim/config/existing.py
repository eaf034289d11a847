"""Settings of networks that are not the project's own: their code, their weights, their inputs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt, field_validator

from advdim import user_code
from advdim.config.data.base import NormalisationSettings
from advdim.config.network_base import Network
from advdim.config.numbers import Arguments

SUFFIXES = (".safetensors", ".pt", ".pth")


class ExistingNetwork(Network):
    """What networks of the user's and of other packages share: weights, and what these expect."""

    arguments: Arguments = {}
    weights: str | None = Field(
        None,
        description="a .safetensors file, or a .pt or .pth file that holds a state dict and no "
        "code; for kind torchvision also the name of weights that it downloads",
    )
    normalisation: Literal["dataset", "pixels"] | NormalisationSettings | None = Field(
        None,
        description="of the inputs that the weights were trained on: as the dataset's, pixels in "
        "[0, 1] as they are, or this mean and std; required with weights",
    )
    channels: PositiveInt | None = Field(
        None, description="that the network takes: grey images are repeated; default: the images'"
    )
    softmax: Literal["remove"] | None = Field(
        None, description="take away the softmax layer at the end, since logits are wanted"
    )

    def architecture(self) -> str:
        """Return, as canonical JSON, what the function depends on; what is not given is unnamed."""
        later = {"normalisation", "channels", "softmax"}
        silent = {name for name in later if getattr(self, name) is None}
        return self.canonical(exclude={"training", "weights"} | silent)

    @property
    def starts_from_weights(self) -> bool:
        """Whether weights are given."""
        return self.weights is not None

    def files(self) -> list[str]:
        """Return the file of the weights, if any, relative to the working directory."""
        known = self.weights is not None and Path(self.weights).suffix in SUFFIXES
        return [str(Path(self.weights).expanduser())] if known and self.weights else []

    def downloaded(self) -> str | None:
        """Return the name of weights that are no file, if any."""
        return None if self.files() else self.weights

    def dampening(self, size: int) -> float | None:
        """Return None: nothing is known of what the network does."""
        return None

    def fault(self) -> str | None:
        """Check that the weights' file is there and that it is said what they were trained on."""
        if self.weights is None:
            return None
        if self.normalisation is None:
            return (
                "it has weights, so 'normalisation' must say what they were trained on: dataset, "
                "pixels (in [0, 1]), or {mean: [...], std: [...]}"
            )
        if self.downloaded() and self._takes_files_only():
            allowed = ", ".join(SUFFIXES)
            return f"weights is {self.weights!r}; it must be a file that ends in {allowed}"
        if missing := [file for file in self.files() if not Path(file).is_file()]:
            return f"weights is {missing[0]!r}, which is no file"
        return None

    def _takes_files_only(self) -> bool:
        return True


class ModuleNetwork(ExistingNetwork):
    """A ``torch.nn.Module`` of the user's, by import path.

    It is called as ``Class(channels=..., size=..., classes=..., **arguments)`` and must map
    (N, channels, size, size) to logits (N, classes).
    """

    kind: Literal["module"]
    module: str = Field(pattern=user_code.PATTERN, description="'package.module:Class'")
    initialisation: Literal["own", "he"] = "own"

    @field_validator("module")
    @classmethod
    def _importable(cls, value: str) -> str:
        user_code.source_file(value)
        return value

    def fault(self) -> str | None:
        """Check, too, that the module's file defines the name."""
        try:
            user_code.check(self.module)
        except user_code.UserCodeError as error:
            return str(error)
        return super().fault()


class _Named(ExistingNetwork):
    """A model that a package builds by its name."""

    kind: str
    name: str = Field(pattern=r"^[A-Za-z0-9_.]+$", description="of the model")

    def fault(self) -> str | None:
        """Check, too, that the package is installed."""
        if importlib.util.find_spec(self.kind) is None:
            return f"kind is {self.kind!r}, and that package is not installed"
        return super().fault()


class TorchvisionNetwork(_Named):
    """A classifier of ``torchvision.models``, called with ``num_classes`` and ``arguments``."""

    kind: Literal["torchvision"]

    def _takes_files_only(self) -> bool:
        return False


class TimmNetwork(_Named):
    """A model of ``timm``, called with ``num_classes``, ``in_chans`` and ``arguments``."""

    kind: Literal["timm"]
