"""Networks of the user's and of packages are built and tried before anything is trained."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from advdim.config import Config, ConfigError
from advdim.config.existing import ModuleNetwork, TimmNetwork, TorchvisionNetwork
from advdim.planning.costs import USUAL_CLASSES
from advdim.sweep import bounded_cells, experiments_by_cell
from advdim.units import Normalisation
from advdim.user_code import UserCodeError, imported, unknown_argument

if TYPE_CHECKING:
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
    """Yield a sentence for arguments that classes of attacks, or decorated functions, lack."""
    blocks = {"methods": config.methods, "attacks.options": config.attacks.options}
    for block, settings in blocks.items():
        for name, code in (settings.model_extra or {}).items():
            if unknown := _unknown_argument(code.module, code.arguments, GIVEN_TO_ATTACKS):
                yield f"Config key '{block}.{name}': {unknown}"


def _problems(config: Config) -> Iterator[str]:
    bounded = {(cell.dataset, cell.network, cell.size) for cell in bounded_cells(config)}
    asked = {
        (cell.dataset, cell.network, cell.size): None for cell in experiments_by_cell(config)
    } | {
        (experiment.dataset, network, size): None
        for experiment in config.initialisation.values()
        for network in experiment.networks
        for size in experiment.sizes
    }
    for dataset, network, size in asked:
        settings = config.networks[network]
        if not isinstance(settings, (ModuleNetwork, TorchvisionNetwork, TimmNetwork)):
            continue
        found = _fault(config, dataset, settings, size, (dataset, network, size) in bounded)
        if found:
            yield f"Config key 'networks.{network}' on {dataset!r} at size {size}: {found}"


def usual_shape(config: Config, dataset: str, size: int) -> Shape:
    """Return the shape of a dataset's images at a size, as far as it is known unread."""
    from advdim.networks.shape import Shape

    data = config.datasets[dataset]
    return Shape(data.usual_channels, size, data.usual_classes() or USUAL_CLASSES)


def _fault(
    config: Config,
    dataset: str,
    settings: ModuleNetwork | TorchvisionNetwork | TimmNetwork,
    size: int,
    bounds: bool,
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
    shape = usual_shape(config, dataset, size)
    given = data.normalisation
    # Computed ones are not known yet; any does for a trial.
    unit = (0.5,) * shape.channels
    normalisation = Normalisation(given.mean, given.std) if given else Normalisation(unit, unit)
    try:
        network = build(settings, shape, stream("trial"), normalisation)
        try_network(network, label(settings), shape)
        if bounds:
            read_layers(network, (shape.channels, size, size))
    except NetworkError as error:
        return str(error)
    except UnsupportedLayer as error:
        return f"'bounds: true' asks for lower bounds that there are none of. {error}"
    return None


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
