"""Settings of networks beyond the papers' convolutional ones."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from advdim.config.network_base import Network
from advdim.config.numbers import Edge, Layers, Width

Scheme = Literal["he", "glorot", "orthogonal"]


def beyond_he(scheme: str) -> str | None:
    """Return what breaks hypothesis H3 of ICML 2019, weights of variance 2/(in-degree), or None."""
    return None if scheme == "he" else f"{scheme} initialisation"


class _Described(Network):
    """What the networks of this module share."""

    initialisation: Scheme = "he"


class FullyConnectedNetwork(_Described):
    """Linear layers with ReLU between them, on the flattened image (ICML 2019, Theorem 4)."""

    kind: Literal["fully_connected"]
    layers: Layers = Field(3, description="hidden layers")
    width: Width = 256

    def beyond_theorems(self, size: int) -> str | None:
        """Return the scheme of the weights if it is not He's (H3)."""
        return beyond_he(self.initialisation)


class ResidualNetwork(_Described):
    """A 3x3 convolution, then stages of residual blocks, each halving the edge (He et al. 2016)."""

    kind: Literal["residual"]
    widths: list[Width] = Field([16, 32, 64], min_length=1, description="one per stage")
    blocks: Layers = Field(1, description="blocks per stage")
    batch_norm: bool = True
    head: Literal["global_average", "global_max"] = "global_average"

    def beyond_theorems(self, size: int) -> str | None:
        """Return the shortcuts, which do not satisfy H3 (ICML 2019, Section 3.2, remarks)."""
        return "residual connections"

    def dampening(self, size: int) -> float:
        """Return one over the edge of the map that the head averages; later stages halve it."""
        if self.head == "global_max":
            return 1.0
        for _ in self.widths[1:]:
            size = (size + 1) // 2
        return 1 / size


class _Patched(_Described):
    kind: str
    patches: Edge = Field(8, description="patches per side, whatever the size")
    layers: Layers = 2
    width: Width = 64

    def beyond_theorems(self, size: int) -> str | None:
        """Return the first of what they have that breaks (H)."""
        return "residual connections"

    def dampening(self, size: int) -> float:
        """Return one over the root of the number of tokens, which are averaged."""
        return 1 / self.patches

    def no_bounds_because(self) -> str:
        """Say that layer norms and attention have no bound."""
        return f"kind {self.kind!r} has none, as its layer norms have no Lipschitz constant"

    def misfit(self, size: int) -> str | None:
        """Check that the image divides into the patches."""
        if size % self.patches:
            return f"it cuts each side into {self.patches} patches"
        return None


class VisionTransformerNetwork(_Patched):
    """Patches, position embeddings, transformer encoder, mean over tokens (Dosovitskiy et al.)."""

    kind: Literal["vision_transformer"]
    heads: Width = 4

    @model_validator(mode="after")
    def _heads_divide(self) -> VisionTransformerNetwork:
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads, which is {self.heads}")
        return self


class MixerNetwork(_Patched):
    """Patches, then layers that mix tokens and channels in turn (Tolstikhin et al. 2021)."""

    kind: Literal["mixer"]
