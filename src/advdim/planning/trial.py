"""Code of the user's, and networks of packages, are tried before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from advdim.config import Config, ConfigError
from advdim.config.data.base import NormalisationSettings
from advdim.config.existing import ExistingNetwork, ModuleNetwork
from advdim.planning.own_code import own_code_problems
from advdim.planning.usual import Seen, built, image_problems, seen_images, usual_shape
from advdim.sweep import bounded_cells, experiments_by_cell
from advdim.user_code import argument_fault

if TYPE_CHECKING:
    from torch import nn

    from advdim.networks.shape import Shape

# Arguments of a user's network that are not the user's to choose.
GIVEN = ("channels", "size", "classes")


def refuse_problems(config: Config) -> None:
    """Raise ConfigError where ``trial_problems`` finds some."""
    if problems := trial_problems(config):
        raise ConfigError("\n".join(problems))


def trial_problems(config: Config) -> list[str]:
    """Return a sentence for images, own code and every (network, dataset, size) that fail.

    Only networks that the configuration cannot vouch for are built. Where a dataset's classes are
    not known before it is read, weights are left to the job that reads it.
    """
    seen, problems = seen_images(config)
    problems += image_problems(config, seen)
    problems += own_code_problems(config, seen)
    problems += _problems(config, seen)
    return list(dict.fromkeys(problems))


def _problems(config: Config, seen: Seen) -> Iterator[str]:
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
        if not isinstance(settings, ExistingNetwork):
            continue
        steps = asked in trained and config.training_of(dataset, network).epochs > 0
        shape = usual_shape(config, dataset, size, seen)
        if fault := _fault(config, dataset, network, shape, asked in bounded, steps):
            yield f"Config key 'networks.{network}' on {dataset!r} at size {size}: {fault}"


def _fault(
    config: Config, dataset: str, name: str, shape: Shape, bounds: bool, trained: bool
) -> str | None:
    from advdim.bounds.from_torch import read_layers
    from advdim.bounds.readers import UnsupportedLayer
    from advdim.networks.existing import label
    from advdim.networks.shape import NetworkError
    from advdim.networks.trial import try_network

    settings = config.networks[name]
    assert isinstance(settings, ExistingNetwork)
    if isinstance(settings, ModuleNetwork) and (
        unknown := argument_fault(settings.module, settings.arguments, GIVEN)
    ):
        return f"{unknown}."
    data = config.datasets[dataset]
    given = data.normalisation
    taken = settings.channels or shape.channels
    for part, owner, wanted in (
        (given, f"dataset {dataset!r}", shape.channels),
        (settings.normalisation, "the network", taken),
    ):
        if isinstance(part, NormalisationSettings) and len(part.mean) not in (1, wanted):
            return f"the normalisation of {owner} has {len(part.mean)} values, not {wanted}."
    try:
        network = built(config, dataset, name, shape)
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
    try:
        logits = network.train()(inputs)
    except Exception as error:
        raise NetworkError(f"Network {name} fails in training: {first_line(error)}") from error
    if not hasattr(logits, "shape") or tuple(logits.shape) != (2, shape.classes):
        found = tuple(logits.shape) if hasattr(logits, "shape") else type(logits).__name__
        raise NetworkError(
            f"Network {name} returns {found} in training, not logits of shape (2, {shape.classes})."
        )
    try:
        cross_entropy(logits, logits.argmin(1)).backward()
    except RuntimeError as error:
        raise NetworkError(f"Network {name} cannot be trained: {first_line(error)}") from error
