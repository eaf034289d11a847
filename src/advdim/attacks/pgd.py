"""Projected gradient descent (Madry et al., 2018).

All sizes are in the units of the inputs (normalised), and a threshold may differ per sample: so one
batch can hold many (sample, threshold) pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from advdim.networks.perturbations import loss_gradient, norms

Norm = Literal["linf", "l2"]
Box: TypeAlias = tuple[Tensor, Tensor]
RandomStart: TypeAlias = torch.Generator | Sequence[torch.Generator] | None


def pgd(
    network: nn.Module,
    inputs: Tensor,
    away_from: Tensor,
    threshold: float | Tensor,
    *,
    steps: int,
    step_size: float,
    norm: Norm = "linf",
    random_start: RandomStart = None,
    restarts: int = 1,
    box: Box | None = None,
) -> Tensor:
    """Ascend the cross-entropy with the classes ``away_from`` inside the ball of radius threshold.

    Each restart returns its last iterate; over restarts each sample keeps its best (a changed
    prediction first, then the highest loss).

    Args:
        network: maps inputs to logits (N, K); in evaluation mode.
        inputs: clean inputs (N, C, H, W), normalised units.
        away_from: classes to move away from (N,), int64.
        threshold: radius of the ball in normalised units, one number or one per sample (N,).
        steps: gradient steps per restart, at least 1.
        step_size: length of a step as a share of threshold (Madry et al.; 0.2 in ICML 2019).
        norm: norm of the ball and of the steepest ascent.
        random_start: start uniformly in the ball. One generator draws for the whole batch; one
            generator per sample makes a sample's start independent of its batch.
        restarts: number of random starts; more than one needs ``random_start``.
        box: lowest and highest inputs, broadcastable to the inputs; no clipping if None.

    Returns:
        Perturbed inputs (N, C, H, W), detached.

    Raises:
        ValueError: fewer than one step or restart, or restarts without a random start.
    """
    if steps < 1 or restarts < 1:
        raise ValueError(f"steps and restarts are at least 1, got {steps} and {restarts}")
    if restarts > 1 and random_start is None:
        raise ValueError("without a random start all restarts are the same: give random_start")
    radius = per_sample(threshold, inputs)
    best = _ascend(network, inputs, away_from, radius, steps, step_size, norm, random_start, box)
    if restarts == 1:
        return best
    best_rank = _rank(network, best, away_from)
    for _ in range(restarts - 1):
        other = _ascend(
            network, inputs, away_from, radius, steps, step_size, norm, random_start, box
        )
        other_rank = _rank(network, other, away_from)
        better = _is_better(other_rank, best_rank)
        best = torch.where(better.view(-1, 1, 1, 1), other, best)
        best_rank = tuple(  # type: ignore[assignment]
            torch.where(better, new, old) for new, old in zip(other_rank, best_rank, strict=True)
        )
    return best


def steepest(gradient: Tensor, norm: Norm) -> Tensor:
    """Return the unit perturbation of the largest first-order increase (ICML 2019, Lemma 2)."""
    if norm == "linf":
        return gradient.sign()
    # a vanished gradient stays zero instead of becoming 0 / 0
    return gradient / norms(gradient, "l2").clamp_min(1e-30).view(-1, 1, 1, 1)


def project(perturbation: Tensor, radius: Tensor, norm: Norm) -> Tensor:
    """Return the nearest perturbations in the balls of the given radii (N, 1, 1, 1)."""
    if norm == "linf":
        return torch.minimum(torch.maximum(perturbation, -radius), radius)
    length = norms(perturbation, "l2").clamp_min(1e-30).view(-1, 1, 1, 1)
    return perturbation * (radius / length).clamp_max(1.0)


def per_sample(threshold: float | Tensor, inputs: Tensor) -> Tensor:
    """Return a threshold per sample, shaped (N, 1, 1, 1) to broadcast over the inputs."""
    values = torch.as_tensor(threshold, dtype=inputs.dtype, device=inputs.device)
    return values.expand(len(inputs)).view(-1, 1, 1, 1)


def _ascend(
    network: nn.Module,
    inputs: Tensor,
    away_from: Tensor,
    radius: Tensor,
    steps: int,
    step_size: float,
    norm: Norm,
    random_start: RandomStart,
    box: Box | None,
) -> Tensor:
    start = 0.0 if random_start is None else radius * _uniform_ball(inputs, norm, random_start)
    perturbed = _clip(inputs + start, box)
    for _ in range(steps):
        _, gradient = loss_gradient(network, perturbed, away_from)
        direction = steepest(gradient, norm)
        moved = perturbed + step_size * radius * direction
        perturbed = _clip(inputs + project(moved - inputs, radius, norm), box)
    return perturbed.detach()


def _clip(inputs: Tensor, box: Box | None) -> Tensor:
    return inputs if box is None else torch.clamp(inputs, box[0], box[1])


def _uniform_ball(
    inputs: Tensor, norm: Norm, random_start: torch.Generator | Sequence[torch.Generator]
) -> Tensor:
    """Draw uniformly from the unit ball, on the device of the generator."""
    if isinstance(random_start, torch.Generator):
        return _draw(inputs.shape, norm, random_start).to(inputs)
    shape = torch.Size([1, *inputs.shape[1:]])
    return torch.cat([_draw(shape, norm, generator) for generator in random_start]).to(inputs)


def _draw(shape: torch.Size, norm: Norm, generator: torch.Generator) -> Tensor:
    device = generator.device
    if norm == "linf":
        return torch.rand(shape, generator=generator, device=device) * 2 - 1
    direction = steepest(torch.randn(shape, generator=generator, device=device), "l2")
    # the volume within radius r grows like r^d
    radius = torch.rand(shape[0], generator=generator, device=device) ** (1 / shape[1:].numel())
    return direction * radius.view(-1, 1, 1, 1)


def _rank(network: nn.Module, perturbed: Tensor, away_from: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        logits = network(perturbed)
    changed = logits.argmax(dim=1) != away_from
    return changed, functional.cross_entropy(logits, away_from, reduction="none")


def _is_better(new: tuple[Tensor, Tensor], old: tuple[Tensor, Tensor]) -> Tensor:
    return (new[0] & ~old[0]) | ((new[0] == old[0]) & (new[1] > old[1]))
