"""Networks of the user's and of packages are built and tried before anything is trained."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from advdim.config import Config, ConfigError
from advdim.config.data.base import NormalisationSettings
from advdim.config.existing import ModuleNetwork, TimmNetwork, TorchvisionNetwork
from advdim.config.user_code import UserAttack, UserCode
from advdim.planning.costs import USUAL_CLASSES
from advdim.sweep import bounded_cells, experiments_by_cell
from advdim.units import Normalisation
from advdim.user_code import UserCodeError, call_fault, imported, unknown_argument

if TYPE_CHECKING:
    from torch import nn

    from advdim.networks.shape import Shape

# Arguments of a user's class that are not the user's to choose.
GIVEN_TO_NETWORKS = ("channels", "size", "classes")
GIVEN_TO_ATTACKS = ("name", "norm", "reference")


def refuse_problems(config: Config) -> None:
    """Raise ConfigError where ``network_problems`` finds some."""
    if problems := network_problems(config):
        raise ConfigError("\n".join(problems))


def network_problems(config: Config) -> list[str]:
    """Return a sentence for every (network, dataset, size) that cannot be used as it is asked for.

    Only networks that the configuration cannot vouch for are built. Where a dataset's classes are
    not known before it is read, weights are left to the job that reads it.
    """
    return list(dict.fromkeys([*_code_problems(config), *_problems(config)]))


def _code_problems(config: Config) -> Iterator[str]:
    """Yield a sentence for own methods and attacks that cannot be called as they will be."""
    for name, code in (config.methods.model_extra or {}).items():
        if fault := _call_fault(code, code.optional):
            yield f"Config key 'methods.{name}': {fault}"
    for name, code in (config.attacks.options.model_extra or {}).items():
        if fault := _attack_fault(name, code):
            yield f"Config key 'attacks.options.{name}': {fault}"


def _call_fault(code: UserCode, optional: Collection[str] = ()) -> str | None:
    """Return a sentence where a function does not take what it will be given."""
    try:
        found = imported(code.module)
    except UserCodeError as error:
        return f"{error}."
    if not callable(found) or isinstance(found, type):
        return f"{code.module!r} is no function."
    try:
        signature = inspect.signature(found)
    except (ValueError, TypeError):
        return None
    fault = call_fault(signature, code.positional, optional, code.arguments)
    return f"{code.module!r} {fault}." if fault else None


def _attack_fault(name: str, code: UserAttack) -> str | None:
    """Return a sentence where an attack, a function or a class, cannot be made."""
    from advdim.attacks.base import Attack
    from advdim.attacks.user import user_attack

    try:
        found = imported(code.module)
    except UserCodeError as error:
        return f"{error}."
    if not isinstance(found, type):
        return _call_fault(code)
    if not issubclass(found, Attack):
        return f"{code.module!r} is a class, but no subclass of advdim.attacks.base.Attack."
    if unknown := _unknown_argument(code.module, code.arguments, GIVEN_TO_ATTACKS):
        return unknown
    try:
        user_attack(name, code.norm, code.module, code.arguments)
    except Exception as error:
        return f"{code.module!r} cannot be made with the configured arguments: {error}."
    return None


def _problems(config: Config) -> Iterator[str]:
    bounded = {(cell.dataset, cell.network, cell.size) for cell in bounded_cells(config)}
    trained = {
        (cell.dataset, cell.network, cell.size): None for cell in experiments_by_cell(config)
    }
    fresh = {
        (experiment.dataset, network, size): None
        for experiment in config.initialisation.values()
        for network in experiment.networks
        for size in experiment.sizes
    }
    for asked in trained | fresh:
        dataset, network, size = asked
        settings = config.networks[network]
        if not isinstance(settings, (ModuleNetwork, TorchvisionNetwork, TimmNetwork)):
            continue
        steps = asked in trained and config.training_of(dataset, network).epochs > 0
        # Only the data tell whether encoded images are grey.
        known = not config.datasets[dataset].decoded
        faults = []
        for channels in (None,) if known else (3, 1):
            shape = usual_shape(config, dataset, size, channels)
            fault = _fault(config, dataset, settings, shape, asked in bounded, steps)
            if fault is None:
                break
            faults.append(fault)
        else:
            yield f"Config key 'networks.{network}' on {dataset!r} at size {size}: {faults[0]}"


def usual_shape(config: Config, dataset: str, size: int, channels: int | None = None) -> Shape:
    """Return the shape of a dataset's images at a size, as far as it is known unread.

    ``channels`` are supposed to be so many.
    """
    from advdim.networks.shape import Shape

    data = config.datasets[dataset]
    return Shape(channels or data.usual_channels, size, data.usual_classes() or USUAL_CLASSES)


def _fault(
    config: Config,
    dataset: str,
    settings: ModuleNetwork | TorchvisionNetwork | TimmNetwork,
    shape: Shape,
    bounds: bool,
    trained: bool,
) -> str | None:
    from advdim.bounds.from_torch import UnsupportedLayer, read_layers
    from advdim.networks.build import build
    from advdim.networks.existing import label
    from advdim.networks.shape import NetworkError
    from advdim.networks.trial import try_network
    from advdim.streams import stream

    if isinstance(settings, ModuleNetwork):
        unknown = _unknown_argument(settings.module, settings.arguments, GIVEN_TO_NETWORKS)
        if unknown:
            return unknown
    data = config.datasets[dataset]
    if data.usual_classes() is None:
        settings = settings.model_copy(update={"weights": None})
    given = data.normalisation
    taken = settings.channels or shape.channels
    for part, owner, wanted in (
        (given, f"dataset {dataset!r}", shape.channels),
        (settings.normalisation, "the network", taken),
    ):
        if isinstance(part, NormalisationSettings) and len(part.mean) not in (1, wanted):
            return f"the normalisation of {owner} has {len(part.mean)} values, not {wanted}."
    # Computed ones are not known yet; any does for a trial.
    unit = (0.5,) * shape.channels
    normalisation = Normalisation(given.mean, given.std) if given else Normalisation(unit, unit)
    try:
        network = build(settings, shape, stream("trial"), normalisation)
        try_network(network, label(settings), shape)
        if bounds:
            read_layers(network, (shape.channels, shape.size, shape.size))
        if trained:
            _try_step(network, label(settings), shape)
    except NetworkError as error:
        return str(error)
    except UnsupportedLayer as error:
        return f"'bounds: true' asks for lower bounds that there are none of. {error}"
    return None


def _try_step(network: nn.Module, name: str, shape: Shape) -> None:
    """Raise NetworkError where a network cannot take a training step on two images."""
    import torch
    from torch.nn.functional import cross_entropy

    from advdim.networks.shape import NetworkError, first_line

    random = torch.Generator().manual_seed(0)
    inputs = torch.randn(2, shape.channels, shape.size, shape.size, generator=random)
    logits = network.train()(inputs)
    if not hasattr(logits, "shape") or tuple(logits.shape) != (2, shape.classes):
        found = tuple(logits.shape) if hasattr(logits, "shape") else type(logits).__name__
        raise NetworkError(
            f"Network {name} returns {found} in training, not logits of shape (2, {shape.classes})."
        )
    try:
        cross_entropy(logits, logits.argmin(1)).backward()
    except RuntimeError as error:
        raise NetworkError(f"Network {name} cannot be trained: {first_line(error)}") from error


def _unknown_argument(
    path: str, arguments: Mapping[str, Any], given: Collection[str]
) -> str | None:
    """Return a sentence on an argument that code of the user's does not take."""
    if not arguments:
        return None
    try:
        signature = inspect.signature(imported(path))
    except (UserCodeError, ValueError, TypeError):
        return None
    unknown = unknown_argument(signature, arguments, given)
    return f"{path!r} {unknown}." if unknown else None
