"""Smallest adversarial perturbations by batched search.

One-step attacks move along one fixed direction per sample: a grid of scales finds the first
crossing of the decision boundary, bisection refines it. Iterative attacks have another direction at
every threshold: there the threshold itself is bisected, with an attack run per (sample, threshold).
In both, all samples are searched together, each with its own bracket.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from advdim.attacks.base import Batch
from advdim.networks.perturbations import Norm, norms

Perturb = Callable[[Batch, Tensor], Tensor]


def search_direction(
    batch: Batch,
    directions: Tensor,
    ceiling: float | Tensor,
    *,
    grid: int = 8,
    ratio: float = 3.0,
    rounds: int = 10,
    tolerance: float = 1e-3,
    skip: bool = False,
) -> Tensor:
    """Return the smallest scale at which each sample, moved along its direction, is adversarial.

    The prediction along a line is not monotone in the scale: the first crossing on a geometric grid
    ``ceiling / ratio^k``, k = grid - 1 ... 0, counts, as in a loop over increasing thresholds. Each
    round then narrows the bracket, by the secant of the logits' margin or by halving.

    With ``skip``, the slope of the margin at the first scale tells where a straight line would
    cross, and scales below a third of that are not tried: half the work along a gradient, where the
    margin is close to straight.

    Args:
        batch: the samples, with the network and the classes to move away from.
        directions: one direction per sample (N, C, H, W).
        ceiling: largest scale, one number or one per sample (N,).
        grid: number of scales tried in increasing order.
        ratio: ratio of neighbouring scales, above 1.
        rounds: most refinements of a bracket; each is one forward pass.
        tolerance: relative width at which a bracket is no further refined.
        skip: leave out scales far below where the margin's slope says that it crosses.

    Returns:
        Scales (N,), infinite where no scale of the grid is adversarial; 0 where the clean input is.
    """
    count = len(batch.inputs)
    top = torch.as_tensor(ceiling, dtype=batch.inputs.dtype, device=batch.inputs.device)
    top = top.expand(count).clone()
    low, low_margin = torch.zeros_like(top), batch.margin(batch.inputs)
    high, high_margin = torch.full_like(top, torch.inf), torch.zeros_like(top)
    high[low_margin > 0] = 0.0
    rows = (low_margin <= 0).nonzero().flatten()
    power = torch.full_like(top, grid - 1)
    for turn in range(grid):
        if not len(rows):
            break
        scale = top[rows] / ratio ** power[rows]
        margin = _margin_at(batch, directions, rows, scale)
        crossed = margin > 0
        if skip and turn == 0:
            straight = _secant(low[rows], low_margin[rows], scale, margin)
            power[rows] = torch.minimum(power[rows], _power_below(straight, top[rows], ratio))
        high[rows[crossed]], high_margin[rows[crossed]] = scale[crossed], margin[crossed]
        rows, scale, margin = rows[~crossed], scale[~crossed], margin[~crossed]
        low[rows], low_margin[rows] = scale, margin
        power[rows] -= 1
        rows = rows[power[rows] >= 0]
    rows = (torch.isfinite(high) & (high > 0)).nonzero().flatten()
    bracket = [low[rows], low_margin[rows], high[rows], high_margin[rows]]
    high[rows] = _refine(batch, directions, rows, bracket, rounds, tolerance)
    return high


def search_threshold(
    batch: Batch,
    perturb: Perturb,
    norm: Norm,
    found: Tensor,
    failed: Tensor,
    ceiling: float,
    *,
    rounds: int = 10,
) -> Tensor:
    """Search the smallest threshold at which an iterative attack succeeds, per sample.

    Until its first success a sample's threshold grows fourfold per round; from then on its bracket
    is bisected on a logarithmic scale.

    Args:
        batch: the samples, with the network and the classes to move away from.
        perturb: the attack at one threshold per sample.
        norm: norm of the threshold.
        found: the smallest adversarials so far (N, C, H, W), the clean inputs where none.
        failed: the largest thresholds (N,) below that at which the attack failed, 0 if unknown.
        ceiling: largest threshold to try.
        rounds: attack runs.

    Returns:
        The smallest adversarials found, the clean inputs where none.
    """
    size = norms(found - batch.inputs, norm)
    high = torch.where(size > 0, size, torch.inf)
    low = failed.clone()
    for _ in range(rounds):
        threshold = _next_threshold(low, high, ceiling)
        perturbed = perturb(batch, threshold)
        size = norms(perturbed - batch.inputs, norm)
        success = batch.is_adversarial(perturbed)
        smaller = success & (size < high)
        found = torch.where(smaller.view(-1, 1, 1, 1), perturbed, found)
        high = torch.where(smaller, size, high)
        low = torch.where(success, low, threshold)
    return found


def _next_threshold(low: Tensor, high: Tensor, ceiling: float) -> Tensor:
    growing = torch.where(low > 0, low * 4, ceiling / 64).clamp_max(ceiling)
    # a hundredth of the upper end stands in for an unknown lower end
    between = (torch.maximum(low, high * 1e-2) * high).sqrt()
    return torch.where(torch.isfinite(high), between, growing)


def _margin_at(batch: Batch, directions: Tensor, rows: Tensor, scale: Tensor) -> Tensor:
    part = batch.select(rows)
    moved = part.inputs + scale.view(-1, 1, 1, 1) * directions[rows]
    return part.margin(moved)


def _refine(
    batch: Batch,
    directions: Tensor,
    rows: Tensor,
    bracket: list[Tensor],
    rounds: int,
    tolerance: float,
) -> Tensor:
    """Narrow the brackets [low, high] around the crossing and return their upper ends."""
    low, low_margin, high, high_margin = bracket
    # beyond the estimated crossing after a failure, before it after a success: both ends close in
    side = torch.ones_like(low)
    for turn in range(rounds):
        wide = (high - low > tolerance * high).nonzero().flatten()
        if not len(wide):
            break
        ends = (low[wide], low_margin[wide], high[wide], high_margin[wide])
        scale = _probe(*ends, side[wide] * 0.4 * tolerance, halve=turn % 4 == 3)
        margin = _margin_at(batch, directions, rows[wide], scale)
        crossed = margin > 0
        high[wide[crossed]], high_margin[wide[crossed]] = scale[crossed], margin[crossed]
        low[wide[~crossed]], low_margin[wide[~crossed]] = scale[~crossed], margin[~crossed]
        side[wide] = torch.where(crossed, -1.0, 1.0)
    return high


def _secant(low: Tensor, low_margin: Tensor, high: Tensor, high_margin: Tensor) -> Tensor:
    """Return where the line through two margins crosses 0; far away where it does not rise."""
    return low - low_margin * (high - low) / (high_margin - low_margin).clamp_min(1e-30)


def _power_below(scale: Tensor, top: Tensor, ratio: float) -> Tensor:
    """Return one more than the power of the last grid point at or below the scale, at least 1."""
    power = (top / scale).clamp_min(1.0).log() / math.log(ratio)
    return power.ceil().clamp_min(0) + 1


def _probe(
    low: Tensor,
    low_margin: Tensor,
    high: Tensor,
    high_margin: Tensor,
    aside: Tensor,
    *,
    halve: bool,
) -> Tensor:
    """Return scales inside the brackets: the middle, or aside of the secant's crossing."""
    width = high - low
    if halve:
        return low + width / 2
    aimed = _secant(low, low_margin, high, high_margin) + aside * high
    return torch.minimum(torch.maximum(aimed, low + 0.01 * width), high - 0.01 * width)
