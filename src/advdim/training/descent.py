"""Stochastic gradient descent with momentum, as torch.optim.SGD computes it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd


class Descent:
    """The optimiser of a network: its parameters, and one velocity for each.

    torch.optim.SGD calls the same function and has the same bits, but making one loads torch's
    compiler, which takes longer than training a small cell.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], momentum: float, weight_decay: float
    ) -> None:
        """Take the parameters that learn; the rate is given at each step."""
        self.parameters = [p for p in parameters if p.requires_grad]
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.velocities: dict[Tensor, Tensor] = {}

    def forget_gradients(self) -> None:
        """Free the gradients, so that the next ones are written and not added."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move every parameter that has a gradient, in place, by the rate times its velocity."""
        gradients = {p: p.grad for p in self.parameters if p.grad is not None}
        moved: list[Tensor] = list(gradients)
        velocities = [self.velocities.get(p) for p in moved] if self.momentum else []
        sgd(
            moved,
            list(gradients.values()),
            velocities,
            lr=rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )
        # the first step makes them
        made = zip(moved, velocities, strict=False)
        self.velocities.update({p: v for p, v in made if v is not None})
