"""Build a network from its settings, store it, and load it again."""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter
from torch import nn

from advdim import own
from advdim.config.lenet import LenetNetwork
from advdim.config.network import AnyNetwork, ConvolutionalNetwork, ModuleNetwork
from advdim.networks.architectures import BUILDERS
from advdim.networks.convolutional import convolutional
from advdim.networks.initialisation import he, initialise, xavier
from advdim.networks.lenet import lenet
from advdim.tensor_files import DamagedFileError, read_tensors, write_tensors
from advdim.units import Normalisation


class NetworkError(ValueError):
    """A network cannot be built or loaded; the message says which and why."""


@dataclass(frozen=True)
class Shape:
    """What a network maps: (N, channels, size, size) to (N, classes)."""

    channels: int
    size: int
    classes: int


def build(settings: AnyNetwork, shape: Shape, random: torch.Generator) -> nn.Module:
    """Build and initialise a network; the initial weights depend on ``random`` alone."""
    if isinstance(settings, ModuleNetwork):
        network = _own_module(settings, shape, random)
        _check_logits(network, settings.module, shape)
    else:
        network = _own_kind(settings, shape, random)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _own_kind(settings: AnyNetwork, shape: Shape, random: torch.Generator) -> nn.Module:
    if isinstance(settings, LenetNetwork):
        network: nn.Module = lenet(settings, **asdict(shape))
        xavier(network, random)
        return network
    assert not isinstance(settings, ModuleNetwork)
    if isinstance(settings, ConvolutionalNetwork):
        network = convolutional(settings, **asdict(shape))
    else:
        # what PyTorch's own layers draw at first is the same for a seed, too
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(random.initial_seed())
            network = BUILDERS[settings.kind](settings, **asdict(shape))
    initialise(network, random, settings.initialisation)
    return network


def _own_module(settings: ModuleNetwork, shape: Shape, random: torch.Generator) -> nn.Module:
    try:
        constructor = own.imported(settings.module)
    except own.OwnCodeError as error:
        raise NetworkError(f"Network {error}.") from error
    try:
        inspect.signature(constructor).bind(**asdict(shape), **settings.arguments)
    except TypeError as error:
        raise NetworkError(
            f"Network {settings.module!r} must accept channels, size, classes and its configured "
            f"arguments: {error}."
        ) from error
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random.initial_seed())
        network: nn.Module = constructor(**asdict(shape), **settings.arguments)
    if settings.initialisation == "he":
        he(network, random)
    return network


def _check_logits(network: nn.Module, name: str, shape: Shape) -> None:
    was_training = network.training
    with torch.no_grad():
        logits = network.eval()(torch.zeros(2, shape.channels, shape.size, shape.size))
    network.train(was_training)
    if tuple(logits.shape) != (2, shape.classes):
        raise NetworkError(
            f"Network {name!r} maps 2 images of size {shape.size} to {tuple(logits.shape)}, "
            f"not to logits of shape (2, {shape.classes})."
        )


def save_network(
    path: str | Path,
    network: nn.Module,
    settings: AnyNetwork,
    shape: Shape,
    normalisation: Normalisation,
) -> None:
    """Write weights and, in the metadata, all that is needed to build the network again."""
    description = {
        "network": json.loads(settings.architecture()),
        "shape": asdict(shape),
        "normalisation": asdict(normalisation),
    }
    write_tensors(path, network.state_dict(), description)


def load_network(path: str | Path) -> tuple[nn.Module, Shape, Normalisation]:
    """Read a network in evaluation mode; raises NetworkError where the file is damaged."""
    try:
        tensors, description = read_tensors(path)
    except DamagedFileError as error:
        raise NetworkError(f"Network file {str(path)!r} cannot be read: {error}.") from error
    if "network" not in description:
        raise NetworkError(f"Network file {str(path)!r} is empty: its training has failed.")
    settings: AnyNetwork = TypeAdapter(AnyNetwork).validate_python(description["network"])
    shape = Shape(**description["shape"])
    network = build(settings, shape, torch.Generator().manual_seed(0))
    network.load_state_dict(tensors)
    statistics = description["normalisation"]
    normalisation = Normalisation(tuple(statistics["mean"]), tuple(statistics["std"]))
    return network.eval(), shape, normalisation
