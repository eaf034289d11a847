"""Settings of the papers' convolutional networks, and what of their geometry can be checked."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from advdim.config.architectures import Scheme, beyond_he
from advdim.config.network_base import Network
from advdim.config.numbers import Layers, Width

DILATION = re.compile(r"^\s*size\s*/\s*([1-9]\d*)\s*$")


class ConvolutionalNetwork(Network):
    """Layers of padding, 3x3 convolution, optional 2x2 pool, batch norm, ReLU; then a head.

    ``maxpool8`` and ``strided6`` (ICML 2019, Sections 4.2 and 4.1) are two of these.
    """

    kind: Literal["convolutional"] = "convolutional"
    layers: Layers
    width: Width = 64
    strides: list[PositiveInt] = Field([], description="one per layer; default: all 1")
    pool: Literal["none", "max", "average", "strided"] = "none"
    pool_after: list[PositiveInt] = Field([], description="layers followed by a 2x2 pool, from 1")
    dilation: int | str = Field(1, description="a number of pixels, or 'size / 32'")
    padding: Literal["reflect", "zeros", "circular"] = "reflect"
    batch_norm: bool = True
    head: Literal["linear", "flatten", "global_max", "global_average"] = Field(
        "linear", description="linear needs a 1x1 map at the end; flatten takes a map of any size"
    )
    initialisation: Scheme = "he"

    def architecture(self) -> str:
        """Return, as canonical JSON, what the function depends on; the default stays unnamed."""
        # He is unnamed, so that cells trained before there was a choice keep their hash.
        unnamed = {"training", "initialisation"} if self.initialisation == "he" else {"training"}
        return self.canonical(exclude=unnamed)

    @field_validator("dilation")
    @classmethod
    def _dilation_is_number_or_ratio(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value >= 1:
            return value
        if isinstance(value, str) and DILATION.match(value):
            return value
        raise ValueError("must be a number of at least 1 or 'size / N'")

    @model_validator(mode="after")
    def _consistent(self) -> ConvolutionalNetwork:
        if self.strides and len(self.strides) != self.layers:
            raise ValueError(f"strides must list {self.layers} numbers, one per layer")
        if any(layer > self.layers for layer in self.pool_after):
            raise ValueError(f"pool_after must name layers from 1 to {self.layers}")
        if bool(self.pool_after) != (self.pool != "none"):
            raise ValueError("pool and pool_after go together: give both or neither")
        return self

    def layer_strides(self) -> list[int]:
        """Return one stride per layer."""
        return list(self.strides) or [1] * self.layers

    def dilation_at(self, size: int) -> int:
        """Return the dilation in pixels for images of this edge."""
        if isinstance(self.dilation, int):
            return self.dilation
        match = DILATION.match(self.dilation)
        assert match is not None
        return max(1, size // int(match.group(1)))

    def final_edge(self, size: int) -> int:
        """Return the edge of the last feature map; raises ValueError where a layer does not fit."""
        edge, dilation = size, self.dilation_at(size)
        for layer, stride in enumerate(self.layer_strides(), start=1):
            if self.padding == "reflect" and dilation >= edge:
                raise ValueError(
                    f"layer {layer} would pad a {edge}x{edge} map by {dilation} reflected pixels"
                )
            if self.padding == "circular" and dilation > edge:
                raise ValueError(
                    f"layer {layer} would wrap a {edge}x{edge} map around by {dilation} pixels"
                )
            edge = (edge - 1) // stride + 1
            if layer in self.pool_after:
                if edge < 2:
                    raise ValueError(f"the pool after layer {layer} would get a {edge}x{edge} map")
                edge //= 2
        return edge

    def counts(self, channels: int, size: int) -> tuple[float, float]:
        """Return the multiply-adds and the activations of one image, the last layer left out."""
        multiply_adds = activations = 0.0
        edge = size
        for layer, stride in enumerate(self.layer_strides(), start=1):
            edge = (edge - 1) // stride + 1
            multiply_adds += 9 * channels * self.width * edge**2
            activations += 2 * self.width * edge**2
            channels = self.width
            if layer in self.pool_after:
                edge //= 2
        return multiply_adds, activations

    def dampening(self, size: int) -> float:
        """Return 1/2 per 2x2 average pool, and one over the last edge for a global average."""
        pools = len(self.pool_after) if self.pool == "average" else 0
        head = self.final_edge(size) if self.head == "global_average" else 1
        return 0.5**pools / head

    def beyond_theorems(self, size: int) -> str | None:
        """Return the first thing that is no convolution, dense layer, ReLU, or breaks (H) or (S).

        (S) is taken to hold as the paper has it: with periodic or mirror padding, and strides that
        divide their maps.
        """
        found = {
            "batch norm": self.batch_norm,
            f"{self.pool} pools": self.pool in {"max", "average"},
            "strided pools without ReLU before them": self.pool == "strided",
            "a global maximum": self.head == "global_max",
            "a global average": self.head == "global_average",
            "padding with zeros": self.padding == "zeros",
            "strides that do not divide their maps": not self._strides_divide(size),
            "strides with dilation, which pass pixels over": self.dilation_at(size) > 1
            and max(self.layer_strides()) > 1,
        }
        reasons = [reason for reason, applies in found.items() if applies]
        return beyond_he(self.initialisation) or next(iter(reasons), None)

    def _strides_divide(self, size: int) -> bool:
        for stride in self.layer_strides():
            if size % stride:
                return False
            size //= stride
        return True

    def misfit(self, size: int) -> str | None:
        """Check that the dilation divides, that pads and pools fit, and that the head does."""
        if isinstance(self.dilation, str):
            match = DILATION.match(self.dilation)
            base = int(match.group(1)) if match else 1
            if size % base:
                return f"dilation is {self.dilation!r}, so sizes must be multiples of {base}"
        try:
            edge = self.final_edge(size)
        except ValueError as misfit:
            return str(misfit)
        if self.head == "linear" and edge != 1:
            return f"it ends in a {edge}x{edge} map and head 'linear' needs 1x1"
        return None
