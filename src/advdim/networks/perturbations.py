"""Loss gradients with respect to the input, and the perturbations built from them."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Norm = Literal["linf", "l2"]
Box: TypeAlias = tuple[Tensor, Tensor]
# Below it, squares of a vector's values begin to be lost in float32.
SQUARES_UNDERFLOW = 1e-15
ORDERS: dict[float | str, float] = {"l1": 1, "l2": 2, "linf": math.inf}
# The order of the norm of a gradient that goes with a norm of perturbations (Lemma 2).
DUAL: dict[Norm, float] = {"linf": 1, "l2": 2}


def per_sample_loss(network: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of each sample, shape (N,), in nats."""
    return F.cross_entropy(network(inputs), labels, reduction="none")


def loss_gradient(network: nn.Module, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
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


def norms(values: Tensor, order: float | str) -> Tensor:
    """Return the l-``order`` norm of each sample, shape (N,); ``l2`` and ``linf`` are orders."""
    flat, number = values.flatten(1), ORDERS.get(order, order)
    lengths = torch.linalg.vector_norm(flat, ord=number, dim=1)
    return _not_underflown(flat, lengths) if number == 2 else lengths


def _not_underflown(flat: Tensor, lengths: Tensor) -> Tensor:
    """Return l2 norms (N,) of vectors (N, D) whose squares may be too small for float32."""
    largest = flat.detach().abs().amax(1).clamp_min(torch.finfo(flat.dtype).tiny)
    of_scaled = torch.linalg.vector_norm(flat / largest[:, None], dim=1)
    return torch.where(lengths < SQUARES_UNDERFLOW, of_scaled * largest, lengths)


def steepest(gradient: Tensor, norm: Norm) -> Tensor:
    """Return the unit perturbation of the largest first-order increase (ICML 2019, Lemma 2).

    Where the gradient (N, C, H, W) is 0 so is the perturbation.
    """
    if norm == "linf":
        return gradient.sign()
    return gradient / _length(gradient)


def project(perturbation: Tensor, radius: float | Tensor, norm: Norm) -> Tensor:
    """Return the nearest perturbations in balls of one radius or of one per sample (N, 1, 1, 1)."""
    if norm == "linf":
        return torch.clamp(perturbation, -radius, radius)  # type: ignore[arg-type]
    return perturbation * torch.clamp(radius / _length(perturbation), max=1.0)


def _length(values: Tensor) -> Tensor:
    """Return the l2 norm per sample, (N, 1, 1, 1), never 0."""
    return norms(values, "l2").clamp_min(torch.finfo(values.dtype).tiny).view(-1, 1, 1, 1)


def uniform_start(inputs: Tensor, epsilon: float, random: torch.Generator) -> Tensor:
    """Draw a perturbation per sample uniformly from the l-inf ball (Madry et al. 2018)."""
    noise = torch.rand(inputs.shape, generator=random, device=random.device)
    return torch.empty_like(inputs).copy_((2 * noise - 1) * epsilon)


def ascend(
    network: nn.Module,
    inputs: Tensor,
    away_from: Tensor,
    radius: float | Tensor,
    *,
    steps: int,
    relative_step: float,
    norm: Norm = "linf",
    start: Tensor | None = None,
    gradient: Tensor | None = None,
    box: Box | None = None,
) -> Tensor:
    """Return the perturbation after projected steps of steepest ascent (PGD, Madry et al. 2018).

    Ascends the cross-entropy with the classes ``away_from`` (N,) inside the ball of ``radius``, one
    number or one per sample (N, 1, 1, 1), in normalised units. ``relative_step`` is the step over
    the radius; ``start`` is the first perturbation, shaped like ``inputs``; without it, the ascent
    starts at the inputs. ``gradient`` is the loss gradient at the inputs, where it is known: a
    first step from there needs no other. ``box`` holds the lowest and highest inputs; without it
    nothing is clipped, as in Definition 1.
    """
    if start is None:
        delta = torch.zeros_like(inputs)
    else:
        delta, gradient = start, None
    for _ in range(steps):
        if gradient is None:
            _, gradient = loss_gradient(network, inputs + delta, away_from)
        delta = project(delta + relative_step * radius * steepest(gradient, norm), radius, norm)
        if box is not None:
            delta = torch.clamp(inputs + delta, *box) - inputs
        gradient = None
    return delta
