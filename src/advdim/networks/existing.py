"""Networks of the user's or of another package: built, given their weights and their inputs."""

from __future__ import annotations

import contextlib
import importlib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from advdim import user_code
from advdim.catalogue.networks import NETWORKS
from advdim.config.existing import ExistingNetwork, ModuleNetwork, TimmNetwork, TorchvisionNetwork
from advdim.data.torchvision_import import torchvision
from advdim.networks.initialisation import he
from advdim.networks.shape import NetworkError, Shape, first_line
from advdim.units import Normalisation

# Where checkpoints keep the state dict among other things.
NESTED = ("state_dict", "model_state_dict", "model")


class Preprocessing(nn.Module):
    """Bring inputs that are normalised as the dataset's to what a network was trained on.

    ``outputs = scale * inputs + shift`` per channel; a grey image is repeated first. Both are
    stored with the network.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(channels))
        self.register_buffer("shift", torch.zeros(channels))

    @torch.no_grad()
    def convert(self, dataset: Normalisation, network: Normalisation) -> None:
        """Set the map from the dataset's normalised images to the network's."""
        std, mean = (torch.tensor(v, dtype=torch.float64) for v in (dataset.std, dataset.mean))
        wanted = torch.tensor(network.std, dtype=torch.float64)
        self.scale.copy_(std / wanted)
        self.shift.copy_((mean - torch.tensor(network.mean, dtype=torch.float64)) / wanted)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 1 or C, H, W) to (N, C, H, W)."""
        return inputs * self.scale.view(1, -1, 1, 1) + self.shift.view(1, -1, 1, 1)


def build_existing(settings: ExistingNetwork, shape: Shape, random: torch.Generator) -> nn.Module:
    """Build a network without its weights; raises NetworkError where that cannot be done."""
    taken = Shape(settings.channels or shape.channels, shape.size, shape.classes)
    if taken.channels != shape.channels != 1:
        raise NetworkError(
            f"Network {label(settings)} takes {taken.channels} channels and the images have "
            f"{shape.channels}; only grey images are repeated."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random.initial_seed())
        network: nn.Module = NETWORKS[settings.kind].load()(settings, **asdict(taken))
    if isinstance(settings, ModuleNetwork) and settings.initialisation == "he":
        he(network, random)
    if settings.softmax:
        _remove_softmax(network, label(settings))
    if settings.normalisation in (None, "dataset") and taken == shape:
        return network
    return nn.Sequential(Preprocessing(taken.channels), network)


def start(
    network: nn.Module, settings: ExistingNetwork, normalisation: Normalisation | None
) -> None:
    """Give a built network its weights and, for images so normalised, its preprocessing."""
    inner = network
    if isinstance(network, nn.Sequential) and isinstance(network[0], Preprocessing):
        if normalisation is not None:
            network[0].convert(normalisation, _expected(settings, normalisation))
        inner = network[1]
    if settings.weights is not None:
        _load(inner, read_weights(settings), label(settings), settings.weights)


def label(settings: ExistingNetwork) -> str:
    """Return the name by which messages call a network."""
    if isinstance(settings, ModuleNetwork):
        return repr(settings.module)
    assert isinstance(settings, (TorchvisionNetwork, TimmNetwork))
    return f"{settings.name!r} of {settings.kind}"


def read_weights(settings: ExistingNetwork) -> Mapping[str, Tensor]:
    """Return the state dict of a file, or of weights by name; code in a file is never run.

    Raises NetworkError where the file holds something else.
    """
    if name := settings.downloaded():
        return _downloaded(settings, name)
    (file,) = settings.files()
    found: Any
    try:
        if Path(file).suffix == ".safetensors":
            found = load_file(file)
        else:
            found = torch.load(file, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, ValueError, RuntimeError, EOFError) as error:
        raise NetworkError(f"Weights {file!r} cannot be read: {first_line(error)}") from error
    except Exception as error:  # pickle's own error is no subclass of the above
        raise NetworkError(
            f"Weights {file!r} hold more than tensors, and no code of a file is run: save "
            "network.state_dict() with safetensors.torch.save_file."
        ) from error
    for key in NESTED:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not (isinstance(found, dict) and all(isinstance(v, Tensor) for v in found.values())):
        raise NetworkError(f"Weights {file!r} hold no state dict: save network.state_dict().")
    return {name.removeprefix("module."): tensor for name, tensor in found.items()}


def _downloaded(settings: ExistingNetwork, name: str) -> Mapping[str, Tensor]:
    assert isinstance(settings, TorchvisionNetwork)
    known = torchvision("models").get_model_weights(settings.name)
    if name not in known.__members__:
        raise NetworkError(
            f"Weights {name!r} of {label(settings)} are unknown; there are "
            f"{', '.join(known.__members__)}."
        )
    weights: Mapping[str, Tensor] = known[name].get_state_dict(check_hash=True)
    return weights


def _expected(settings: ExistingNetwork, dataset: Normalisation) -> Normalisation:
    if settings.normalisation in (None, "dataset"):
        return dataset
    if settings.normalisation == "pixels":
        return Normalisation((0.0,), (1.0,))
    assert not isinstance(settings.normalisation, str | None)
    return Normalisation(settings.normalisation.mean, settings.normalisation.std)


def _load(network: nn.Module, weights: Mapping[str, Tensor], name: str, source: str) -> None:
    own_state = network.state_dict()
    missing, other = own_state.keys() - weights.keys(), weights.keys() - own_state.keys()
    fault = None
    if missing:
        fault = f"{len(missing)} tensors are missing, as {min(missing)!r}"
    elif other:
        fault = f"{len(other)} tensors have no place in it, as {min(other)!r}"
    else:
        for key, tensor in own_state.items():
            if tensor.shape != weights[key].shape:
                fault = f"{key!r} is {_dimensions(weights[key])}, not {_dimensions(tensor)}"
                break
    if fault:
        raise NetworkError(f"Weights {source!r} do not fit network {name}: {fault}.")
    network.load_state_dict(dict(weights))


def _dimensions(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"


def _remove_softmax(network: nn.Module, name: str) -> None:
    """Put nothing in the place of the last softmax layer; raises NetworkError without one."""
    found = [key for key, module in network.named_modules() if isinstance(module, nn.Softmax)]
    if not found or not found[-1]:
        raise NetworkError(
            f"Network {name} has no layer torch.nn.Softmax for 'softmax: remove' to take away: let "
            "it return its logits."
        )
    network.set_submodule(found[-1], nn.Identity())


def users_module(settings: ModuleNetwork, channels: int, size: int, classes: int) -> nn.Module:
    """Build a module of the user's; raises NetworkError where that fails."""
    given = {"channels": channels, "size": size, "classes": classes}
    try:
        constructor = user_code.imported(settings.module)
    except user_code.UserCodeError as error:
        raise NetworkError(f"Network {error}.") from error
    try:
        inspect.signature(constructor).bind(**given, **settings.arguments)
    except TypeError as error:
        raise NetworkError(
            f"Network {settings.module!r} must accept channels, size, classes and its configured "
            f"arguments: {error}."
        ) from error
    try:
        network: nn.Module = constructor(**given, **settings.arguments)
    except Exception as error:
        raise NetworkError(
            f"Network {settings.module!r} cannot be built for {size} pixels: {first_line(error)}"
        ) from error
    return network


def of_torchvision(
    settings: TorchvisionNetwork, channels: int, size: int, classes: int
) -> nn.Module:
    """Build a classifier of torchvision, which takes colour images; raises NetworkError."""
    if channels != 3:
        raise NetworkError(
            f"Network {label(settings)} takes colour images; 'channels: 3' repeats grey ones."
        )
    arguments = {"num_classes": classes, **settings.arguments}
    with _told(settings):
        found: nn.Module = torchvision("models").get_model(settings.name, weights=None, **arguments)
    return found


def of_timm(settings: TimmNetwork, channels: int, size: int, classes: int) -> nn.Module:
    """Build a model of timm; raises NetworkError where that fails."""
    arguments = {"num_classes": classes, **settings.arguments}
    with _told(settings):
        torchvision("models")  # which timm imports, too
        create = importlib.import_module("timm").create_model
        found: nn.Module = create(settings.name, pretrained=False, in_chans=channels, **arguments)
    return found


@contextlib.contextmanager
def _told(settings: ExistingNetwork) -> Iterator[None]:
    """Say of whatever goes wrong within which network it is of."""
    try:
        yield
    except Exception as error:
        raise NetworkError(
            f"Network {label(settings)} cannot be built: {first_line(error)}"
        ) from error
