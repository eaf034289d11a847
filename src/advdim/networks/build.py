"""Build a network from its settings, store it, and load it again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from advdim.catalogue.networks import NETWORKS
from advdim.config.existing import ExistingNetwork
from advdim.config.network import AnyNetwork
from advdim.data.layout import memory_format
from advdim.networks.existing import build_existing, label, start
from advdim.networks.precision import float32_only
from advdim.networks.shape import NetworkError, Shape, first_line
from advdim.tensor_files import DamagedFileError, read_tensors, write_tensors
from advdim.units import Normalisation


def build(
    settings: AnyNetwork,
    shape: Shape,
    random: torch.Generator,
    normalisation: Normalisation | None = None,
) -> nn.Module:
    """Build and initialise a network; the initial weights depend on ``random`` alone.

    With the ``normalisation`` of the images that it gets, an existing network has its weights and
    preprocessing; without, both are to be loaded. Raises NetworkError.
    """
    if isinstance(settings, ExistingNetwork):
        network = build_existing(settings, shape, random)
        _check_logits(network, label(settings), shape)
        if normalisation is not None:
            start(network, settings, normalisation)
    else:
        network = _described(settings, shape, random)
    # the user's module, once loaded, may have allowed other products
    float32_only()
    return to_device(network, "cpu")


def to_device(
    network: nn.Module, device: torch.device | str, precision: str = "float32"
) -> nn.Module:
    """Move a network in place, its weights in the order in which the device convolves fastest."""
    layout = memory_format(device, precision)
    return network.to(device=device, memory_format=layout)  # type: ignore[call-overload]


def _described(settings: AnyNetwork, shape: Shape, random: torch.Generator) -> nn.Module:
    """Build a network that its settings describe in full."""
    entry = NETWORKS[settings.kind]
    # what PyTorch's own layers draw at first is the same for a seed, too
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random.initial_seed())
        network: nn.Module = entry.load()(settings, **asdict(shape))
    if draw := entry.load_weights():
        draw(network, random, settings)
    return network


def _check_logits(network: nn.Module, name: str, shape: Shape) -> None:
    was_training = network.training
    try:
        with torch.no_grad():
            images = torch.zeros(2, shape.channels, shape.size, shape.size)
            logits = to_device(network, "cpu").eval()(images.to(memory_format=memory_format("cpu")))
    except Exception as error:
        raise NetworkError(
            f"Network {name} cannot take {shape.channels} x {shape.size} x {shape.size} images: "
            f"{first_line(error)}"
        ) from error
    network.train(was_training)
    found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    if found != (2, shape.classes):
        raise NetworkError(
            f"Network {name} maps 2 images of size {shape.size} to {found}, "
            f"not to logits of shape (2, {shape.classes})."
        )
    if logits.dtype != torch.float32:
        raise NetworkError(f"Network {name} returns logits in {logits.dtype}, not torch.float32.")


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
    """Read a network in evaluation mode.

    Raises NetworkError where the file is damaged, or the network's code is not what it was.
    """
    try:
        tensors, description = read_tensors(path)
    except DamagedFileError as error:
        raise NetworkError(
            f"Network file {str(path)!r} cannot be read ({error}); delete it and run again."
        ) from error
    if "network" not in description:
        raise NetworkError(f"Network file {str(path)!r} is empty: its training has failed.")
    settings, shape = _settings(path, description["network"]), Shape(**description["shape"])
    network = build(settings, shape, torch.Generator().manual_seed(0))
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        # The first line names the class, those below it what does not fit.
        fault = str(error).splitlines()[-1].strip()
        raise NetworkError(f"Weights in {str(path)!r} do not fit its network: {fault}") from error
    statistics = description["normalisation"]
    normalisation = Normalisation(tuple(statistics["mean"]), tuple(statistics["std"]))
    return network.eval(), shape, normalisation


def _settings(path: str | Path, described: dict[str, Any]) -> AnyNetwork:
    """Read what a file says of its network; raises NetworkError where it can be no longer had."""
    try:
        settings: AnyNetwork = TypeAdapter(AnyNetwork).validate_python(described)
    except ValidationError as error:
        fault = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise NetworkError(f"Network in {str(path)!r} cannot be built: {fault}.") from error
    return settings
