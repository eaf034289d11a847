"""The kinds of networks: each with its settings, its function, and how its weights start.

A new one is a function in ``advdim.networks``, a model of its settings in ``advdim.config``, and an
entry here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from advdim.catalogue.entries import Entry, load


@dataclass(frozen=True, kw_only=True)
class NetworkEntry(Entry):
    """One kind of network; its name is the configuration's ``kind``.

    Attributes:
        function: ``function(settings, channels, size, classes)`` returns the module.
        settings: the model of its settings, a subclass of ``advdim.config.network_base.Network``.
        weights: ``weights(network, random, settings)`` draws the initial weights in place; None
            where the module comes with its own.
    """

    settings: str
    weights: str | None = "advdim.networks.initialisation:by_scheme"

    def load_weights(self) -> Callable[[Any, Any, Any], None] | None:
        """Import what draws the initial weights."""
        return load(self.weights) if self.weights else None


# The first is what a block without a kind is.
NETWORKS: dict[str, NetworkEntry] = {
    entry.name: entry
    for entry in (
        NetworkEntry(
            name="convolutional",
            function="advdim.networks.convolutional:convolutional",
            settings="advdim.config.convolutional:ConvolutionalNetwork",
        ),
        NetworkEntry(
            name="lenet",
            function="advdim.networks.lenet:lenet",
            settings="advdim.config.lenet:LenetNetwork",
            weights="advdim.networks.initialisation:as_caffe",
        ),
        NetworkEntry(
            name="fully_connected",
            function="advdim.networks.architectures:fully_connected",
            settings="advdim.config.architectures:FullyConnectedNetwork",
        ),
        NetworkEntry(
            name="residual",
            function="advdim.networks.architectures:residual",
            settings="advdim.config.architectures:ResidualNetwork",
        ),
        NetworkEntry(
            name="vision_transformer",
            function="advdim.networks.architectures:vision_transformer",
            settings="advdim.config.architectures:VisionTransformerNetwork",
        ),
        NetworkEntry(
            name="mixer",
            function="advdim.networks.architectures:mixer",
            settings="advdim.config.architectures:MixerNetwork",
        ),
        NetworkEntry(
            name="module",
            function="advdim.networks.existing:users_module",
            settings="advdim.config.existing:ModuleNetwork",
            weights=None,
        ),
        NetworkEntry(
            name="torchvision",
            function="advdim.networks.existing:of_torchvision",
            settings="advdim.config.existing:TorchvisionNetwork",
            weights=None,
        ),
        NetworkEntry(
            name="timm",
            function="advdim.networks.existing:of_timm",
            settings="advdim.config.existing:TimmNetwork",
            weights=None,
        ),
    )
}
