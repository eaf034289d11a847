"""A method or an attack of the user's is called on two images, as it will be called on many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from advdim.config import Config
from advdim.config.user_code import UserAttack, UserCode
from advdim.planning.usual import Seen, built, usual_shape
from advdim.sweep import Cell, attacked_cells, experiments_by_cell

if TYPE_CHECKING:
    from torch import Tensor, nn

# The ball of a trial, in normalised units.
THRESHOLD = 0.01


def method_call_fault(config: Config, seen: Seen, name: str, code: UserCode) -> str | None:
    """Return half a sentence where a method's objective of two images cannot be minimised.

    A method that no experiment names, or whose network cannot be built, is not called.
    """
    from advdim.streams import stream
    from advdim.training.regularisers import objective

    cell = next((cell for cell in experiments_by_cell(config) if cell.method == name), None)
    tried = _network_and_images(config, seen, cell) if cell else None
    if not (cell and tried):
        return None
    network, inputs, labels = tried
    try:
        function = objective(name, code.model_dump())
        epsilon = float(cell.epsilon)
        value = function(network.train(), inputs, labels, epsilon, random=stream("trial"))
    except Exception as error:
        return _failed(code, error)
    if getattr(value, "shape", None) != ():
        found = tuple(value.shape) if hasattr(value, "shape") else type(value).__name__
        return f"{code.module!r} returns {found} for two images, not one number of shape ()"
    if not value.requires_grad:
        return f"{code.module!r} returns a number that depends on no weight, as if detached"
    return None


def attack_call_fault(config: Config, seen: Seen, name: str, code: UserAttack) -> str | None:
    """Return half a sentence where an attack on two images fails, or leaves its ball.

    An attack that no experiment names, or whose network cannot be built, is not called.
    """
    from advdim.attacks.evaluate import evaluate_attack
    from advdim.attacks.user import user_attack

    cell = next((cell for cell, attack in attacked_cells(config) if attack == name), None)
    tried = _network_and_images(config, seen, cell) if cell else None
    if not tried:
        return None
    network, inputs, labels = tried
    try:
        attack = user_attack(name, code.norm, code.module, code.arguments)
        evaluate_attack(network.eval(), inputs, labels, attack, THRESHOLD)
    except Exception as error:
        return _failed(code, error)
    return None


def _network_and_images(
    config: Config, seen: Seen, cell: Cell
) -> tuple[nn.Module, Tensor, Tensor] | None:
    import torch

    from advdim.networks.shape import NetworkError

    shape = usual_shape(config, cell.dataset, cell.size, seen)
    try:
        network = built(config, cell.dataset, cell.network, shape)
    except NetworkError:
        return None
    random = torch.Generator().manual_seed(0)
    inputs = torch.randn(2, shape.channels, shape.size, shape.size, generator=random)
    return network, inputs, torch.arange(2)


def _failed(code: UserCode, error: Exception) -> str:
    from advdim.networks.shape import first_line

    why = first_line(error).rstrip(".")
    return f"{code.module!r} fails on two images: {type(error).__name__}: {why}"
