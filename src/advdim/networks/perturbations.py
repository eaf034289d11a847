"""Loss gradients with respect to the input, and the perturbations built from them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

ORDERS: dict[float | str, float] = {"l1": 1, "l2": 2, "linf": math.inf}


def per_sample_loss(network: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of each sample, shape (N,), in nats."""
    return F.cross_entropy(network(inputs), labels, reduction="none")


def loss_gradient(
    network: nn.Module, inputs: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (logits, gradient): the gradient of each sample's own loss, shaped like ``inputs``.

    The losses are summed, not averaged, so each row is the gradient dL/dx of one sample (ICML
    2019, Eq. 2). No gradient of the weights is computed.
    """
    with torch.enable_grad():
        variable = inputs.detach().requires_grad_()
        logits = network(variable)
        loss = F.cross_entropy(logits, labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, variable)
    return logits.detach(), gradient


def norms(values: torch.Tensor, order: float | str) -> torch.Tensor:
    """Return the l-``order`` norm of each sample, shape (N,); ``l2`` and ``linf`` are orders."""
    return torch.linalg.vector_norm(values.flatten(1), ord=ORDERS.get(order, order), dim=1)


def one_step(gradient: torch.Tensor, epsilon: float, p: float) -> torch.Tensor:
    """Return the perturbation that maximises ``gradient . delta`` in the l-p ball, p in {2, inf}.

    ``epsilon`` is the radius of the ball itself. Where the gradient is 0 so is the perturbation.
    """
    if math.isinf(p):
        return epsilon * gradient.sign()
    length = norms(gradient, 2).clamp_min(torch.finfo(gradient.dtype).tiny)
    return epsilon * gradient / length.view(-1, 1, 1, 1)


def uniform_start(inputs: torch.Tensor, epsilon: float, random: torch.Generator) -> torch.Tensor:
    """Draw a perturbation per sample uniformly from the l-inf ball (Madry et al. 2018)."""
    noise = torch.rand(inputs.shape, generator=random, device=random.device)
    return torch.empty_like(inputs).copy_((2 * noise - 1) * epsilon)


def pgd_linf(
    network: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    epsilon: float,
    *,
    steps: int,
    relative_step: float,
    start: torch.Tensor | None = None,
    gradient: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the l-inf perturbation after ``steps`` projected sign-gradient ascent steps.

    ``relative_step`` is the step over ``epsilon``; ``start`` is the first perturbation, shaped like
    ``inputs``; without it, the attack starts at the inputs. There is no clipping to the pixel box:
    Definition 1 has none. ``gradient`` is the loss gradient at the inputs, where it is known: a
    first step from there needs no other.
    """
    if start is None:
        delta = torch.zeros_like(inputs)
    else:
        delta, gradient = start, None
    for _ in range(steps):
        if gradient is None:
            _, gradient = loss_gradient(network, inputs + delta, labels)
        delta = delta.add(gradient.sign(), alpha=relative_step * epsilon).clamp_(-epsilon, epsilon)
        gradient = None
    return delta
