"""Projected gradient descent (Madry et al., 2018).

All sizes are in the units of the inputs (normalised), and a threshold may differ per sample: so one
batch can hold many (sample, threshold) pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advdim.networks.perturbations import Box, Norm, ascend, steepest


def pgd(
    network: nn.Module,
    inputs: Tensor,
    away_from: Tensor,
    threshold: float | Tensor,
    *,
    steps: int,
    step_size: float,
    norm: Norm = "linf",
    random_start: Sequence[torch.Generator] | None = None,
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
        random_start: start uniformly in the ball. There is one generator per sample, so that a
            sample's start does not depend on its batch.
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
    best: Tensor | None = None
    for _ in range(restarts):
        start = None
        if random_start is not None:
            start = radius * _uniform_ball(inputs, norm, random_start)
            if box is not None:
                start = torch.clamp(inputs + start, *box) - inputs
        other = inputs + ascend(
            network, inputs, away_from, radius,
            steps=steps, relative_step=step_size, norm=norm, start=start, box=box,
        )  # fmt: skip
        best = other if best is None else _better_of(network, best, other, away_from)
    assert best is not None
    return best


def per_sample(threshold: float | Tensor, inputs: Tensor) -> Tensor:
    """Return a threshold per sample, shaped (N, 1, 1, 1) to broadcast over the inputs."""
    values = torch.as_tensor(threshold, dtype=inputs.dtype, device=inputs.device)
    return values.expand(len(inputs)).view(-1, 1, 1, 1)


def _uniform_ball(inputs: Tensor, norm: Norm, random_start: Sequence[torch.Generator]) -> Tensor:
    """Draw uniformly from the unit ball, on the device of the generators."""
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


@torch.no_grad()
def _better_of(network: nn.Module, old: Tensor, new: Tensor, away_from: Tensor) -> Tensor:
    """Return per sample what changes the prediction; where both or neither do, the higher loss."""
    logits = [network(perturbed) for perturbed in (old, new)]
    changed = [answer.argmax(dim=1) != away_from for answer in logits]
    losses = [F.cross_entropy(answer, away_from, reduction="none") for answer in logits]
    better = torch.where(changed[0] == changed[1], losses[1] > losses[0], changed[1])
    return torch.where(better.view(-1, 1, 1, 1), new, old)
