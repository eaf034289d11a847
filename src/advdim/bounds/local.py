"""The local bound: linearise at the sample, and charge each kink for how far it can bend.

Write a network's margin against class c' at x + r as ``margin + G r - (what bends)``. ReLU and
maximum are convex, so with slopes alpha (a subgradient or any convex combination of the choices)

    max_i (y_i + d_i) >= max y + alpha . d - sum alpha_i gap_i            (coefficient >= 0)
    max_i (y_i + d_i) <= max y + alpha . d + max_i (norm(e_i - alpha) delta - gap_i)   (< 0)

where gap_i = max y - y_i and delta is the norm of the window's deviations from their mean. ReLU is
the maximum of (p, 0). Within radius rho, a layer's deltas satisfy ``norm(delta) <= spread rho``
and ``delta_j <= cap_j rho``; for every lambda >= 0 (weak duality)

    sum_j c_j (beta_j delta_j - gap_j)_+  <=  lambda (spread rho)^2 / 2
      + sum_j max over delta in [0, cap_j rho] of (c_j (beta_j delta - gap_j) - lambda/2 delta^2)_+

The layers before any cut may instead be charged ``norm(gradient there) * reach * rho``. The
bound is the largest rho found at which the margin outweighs the cheapest cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from advdim.bounds.constants_and_margins import Analysis
from advdim.bounds.linearisation import Linearisation, linearise

MULTIPLIERS = (0.0, 0.09, 0.13, 0.18, 0.25, 0.35, 0.5, 0.71, 1.0)
BISECTIONS = 11
WIDE_STEPS = 2  # first bisections, which move far: all multipliers are tried
WORTHWHILE = 1.001  # a pass that gains less ends the search
SOFTNESS = (0.1, 0.25, 0.3)  # any is sound; these were best on LeNet


def local_bound(analysis: Analysis, start: Tensor) -> Tensor:
    """Return the certified radius (N,) found from the certified ``start`` (N,) upwards.

    Slopes are softened near ties, at the scale of the radius found so far; any slopes are sound.
    """
    best, gains = start, torch.ones_like(start, dtype=torch.bool)
    for softness in SOFTNESS:
        linearisation = linearise(analysis, softness * best)
        radius = _largest_radius(analysis, linearisation, best)
        # Per sample, so that no sample's bound depends on its batch.
        gains &= radius > WORTHWHILE * best
        best = torch.where(gains, radius, best)
        if not bool(gains.any()):
            break
    return best


@dataclass(frozen=True)
class Pairs:
    """What costs need of P pairs of a class and a sample, gathered once for many radii.

    ``cuts`` and ``bends`` are those of ``Linearisation``: sizes (P,), and per bend the slopes of
    every choice's loss and what its gap spares, each (P, K, U), with caps (U,), weights (P, U) or
    (1, 1), spreads (P,) and constant costs (P,). ``prices`` (P,) are their multipliers' unit.
    """

    cuts: list[tuple[Tensor, int]]
    slopes: list[Tensor]
    gaps: list[Tensor]
    caps: list[Tensor]
    weights: list[Tensor]
    spreads: list[Tensor]
    constants: list[Tensor]
    prices: list[Tensor]


def _gather(linearisation: Linearisation, classes: Tensor, samples: Tensor) -> Pairs:
    """Collect the pairs of ``classes`` (P,) and ``samples`` (P,)."""
    pairs = Pairs([], [], [], [], [], [], [], [])
    for size, count in linearisation.cuts:
        pairs.cuts.append((size[classes, samples], count))
    for bend, negative, constant in linearisation.bends:
        coefficients = negative[classes, samples]
        slopes = coefficients[:, None] * bend.beta[samples]
        spread = constant.new_full((len(samples),), bend.spread)
        weights = constant.new_ones(1, 1)
        if bend.by_class is not None:
            weights = bend.by_class[0][classes, samples]
            spread = bend.by_class[1][classes, samples]
        steepest = slopes.amax(1) / weights.clamp_min(1e-300).sqrt()
        pairs.slopes.append(slopes)
        pairs.gaps.append(coefficients[:, None] * bend.gaps[samples])
        pairs.caps.append(bend.caps)
        pairs.weights.append(weights)
        pairs.spreads.append(spread)
        pairs.constants.append(constant[classes, samples])
        # At radius 1, without gaps and caps, this price would be the best one.
        pairs.prices.append(steepest.norm(dim=1) / spread.clamp_min(1e-300))
    return pairs


def _bend_cost(
    pairs: Pairs, index: int, radius: Tensor, multipliers: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Bound what a bend's kinks cost within ``radius`` (P,), and name the best multiplier (P,)."""
    slopes, gaps, weights = pairs.slopes[index], pairs.gaps[index], pairs.weights[index]
    reach = pairs.spreads[index] * radius
    caps = pairs.caps[index] * radius[:, None]
    choices = slopes.shape[1]
    together = 1 if choices <= 8 else 64  # few large tensors for a global pool, small ones else
    costs = []
    for multiplier in multipliers:
        price = multiplier * pairs.prices[index] / radius.clamp_min(1e-300)
        curvature = (price[:, None] * weights)[:, None]
        gain = torch.zeros_like(caps)
        for first in range(0, choices, together):
            slope = slopes[:, first : first + together]
            change = torch.minimum(slope / curvature.clamp_min(1e-300), caps[:, None])
            rise = change * (slope - curvature / 2 * change) - gaps[:, first : first + together]
            gain = torch.maximum(gain, rise[:, 0] if together == 1 else rise.amax(1))
        costs.append(gain.sum(1) + price * reach.square() / 2)
    cost, best = torch.stack(costs).min(0)
    return cost, best


def _cost(
    pairs: Pairs, radius: Tensor, chosen: list[Tensor] | None = None
) -> tuple[Tensor, list[Tensor]]:
    """Bound the loss of margin within ``radius`` (P,), by the cheapest cut.

    Any multipliers are sound. All are tried unless ``chosen`` names, per bend, which was best at a
    near radius: then those beside it.
    """
    known = torch.tensor(MULTIPLIERS, dtype=radius.dtype)
    bent, best = [torch.zeros_like(radius)], []
    for index, constant in enumerate(pairs.constants):
        tried = range(len(known)) if chosen is None else (-1, 0, 1)
        start = 0 if chosen is None else chosen[index]
        places = [(start + step + torch.zeros_like(radius)).long() for step in tried]
        places = [place.clamp(0, len(known) - 1) for place in places]
        cost, which = _bend_cost(pairs, index, radius, [known[place] for place in places])
        bent.append(bent[-1] + constant + cost)
        best.append(torch.stack(places).gather(0, which[None])[0])
    costs = [size * radius + bent[count] for size, count in pairs.cuts]
    return torch.stack(costs).amin(0) * (1 + 1e-6), best


def _largest_radius(analysis: Analysis, linearisation: Linearisation, start: Tensor) -> Tensor:
    """Search, from the certified ``start`` (N,) upwards, a radius certified for every class.

    Per sample the class that its gradient lets go first is bisected alone; the others are only
    checked at what came out, and bisected below it where they are not certified there.
    """
    margins = analysis.margins.T
    steepest = torch.stack([size for size, _ in linearisation.cuts]).amin(0)
    allowed = margins / steepest.clamp_min(1e-300)
    radius = torch.maximum(allowed.amin(0), start)
    radius = torch.where(torch.isfinite(radius), radius, start)
    certified = torch.where(torch.isfinite(margins), start, torch.inf)
    waiting = allowed.clone()
    while True:
        open_pairs = certified < radius
        rows = open_pairs.any(0).nonzero().flatten()
        if not len(rows):
            break
        first = torch.where(open_pairs, waiting, torch.inf)[:, rows].argmin(0)
        found = _bisect(linearisation, margins, first, rows, certified[first, rows], radius[rows])
        certified[first, rows] = found
        radius[rows] = torch.minimum(radius[rows], found)
        classes, samples = (certified < radius).nonzero(as_tuple=True)
        if len(classes):
            pairs = _gather(linearisation, classes, samples)
            cost, _ = _cost(pairs, radius[samples])
            excess = cost - margins[classes, samples]
            held = excess < 0
            certified[classes[held], samples[held]] = radius[samples[held]]
            waiting[classes, samples] = -excess
    return torch.where(torch.isfinite(margins).any(0), radius, torch.inf)


def _bisect(
    linearisation: Linearisation,
    margins: Tensor,
    classes: Tensor,
    samples: Tensor,
    low: Tensor,
    high: Tensor,
) -> Tensor:
    """Return the largest certified radius found between ``low``, certified, and ``high``, (P,)."""
    pairs, margin = _gather(linearisation, classes, samples), margins[classes, samples]
    cost, chosen = _cost(pairs, high)
    low = torch.where(cost < margin, high, low)
    for step in range(BISECTIONS):
        middle = (low * high).sqrt()  # the bracket may span decades
        cost, chosen = _cost(pairs, middle, chosen if step > WIDE_STEPS else None)
        certified = cost < margin
        low, high = torch.where(certified, middle, low), torch.where(certified, high, middle)
    return low
