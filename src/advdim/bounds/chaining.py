"""One constant for convolution, max pool and a second convolution with nothing between.

With C the second convolution, A the first, P the window mean: the pool's change is ``P A r + e``
with ``norm(e)^2 <= (n - 1)/n norm(deviations of A r)^2``, so the chain's change is at most
``norm(C P A r) + sigma(C) norm(e)``. ``C P A`` is itself a convolution, of a smaller norm than its
factors' product, and Young's inequality joins the two terms as in ``pooling.py``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from advdim.bounds.layers import Convolution, Pair
from advdim.bounds.operator_norms import gram_norm, strided_symbol
from advdim.bounds.pooling import TRIALS, mean_first
from advdim.bounds.pools import MaxPool

LARGEST_CHAIN = 20_000_000  # complex numbers in the stacked symbol


def chained_norm(
    first: Convolution,
    pool: MaxPool,
    second: Convolution,
    second_norm: float,
    windows: Pair | None = None,
) -> float | None:
    """Return the chain's constant, or None where it is not worth its cost or does not apply.

    ``second_norm`` is an upper estimate of the second convolution's norm. With ``windows``, the
    edges of a second pool, both concern the deviations from the means of its windows instead.
    """
    group = windows or (1, 1)
    period = [s * q for s, q in zip(first.stride, pool.kernel, strict=True)]
    blocks = [-(-n // (p * g)) for n, p, g in zip(first.padded_size, period, group, strict=True)]
    size, taken = math.prod(pool.kernel), math.prod(group)
    height = taken * (len(second.weight) + size * len(first.weight))
    numbers = math.prod(blocks) * height * math.prod(period) * taken * first.weight.shape[1]
    applies = pool.tiles and first.dilation == second.stride == (1, 1) == _ones(second.padding)
    applies = applies and not any((*first.copies, *second.copies))
    if not applies or numbers > LARGEST_CHAIN:
        return None
    straight, _ = strided_symbol(
        compose(first, pool, second), (period[0], period[1]), group, first.padded_size, exact=True
    )
    if windows is not None:
        straight = mean_first(straight, taken)[:, len(second.weight) :]
    bent = _window_deviations(first, pool, group) * (second_norm * math.sqrt((size - 1) / size))
    norms = [
        gram_norm(torch.cat([math.sqrt(1 + t) * straight, math.sqrt(1 + 1 / t) * bent], 1), 8)
        for t in (trial * (size - 1) for trial in TRIALS)
    ]
    return min(float(norm.max()) for norm in norms)


def _ones(padding: Pair) -> Pair:
    """Map no padding to (1, 1)."""
    return padding[0] + 1, padding[1] + 1


def _window_deviations(first: Convolution, pool: MaxPool, group: Pair) -> Tensor:
    """Return the symbol of deviations within ``pool``'s windows, ``group`` of them per block."""
    edges = pool.kernel
    blocks = (edges[0] * group[0], edges[1] * group[1])
    symbol, _ = strided_symbol(first.weight, first.stride, blocks, first.padded_size, exact=True)
    channels, size = len(first.weight), math.prod(edges)
    split = symbol.unflatten(1, (group[0], edges[0], group[1], edges[1], channels))
    inner_first = split.permute(0, 2, 4, 1, 3, 5, 6).flatten(1, 5)
    return mean_first(inner_first, size)[:, channels * math.prod(group) :]


def compose(first: Convolution, pool: MaxPool, second: Convolution) -> Tensor:
    """Return the kernel of ``second`` after window means after ``first``; stride = pool period."""
    step = [first.stride[a] * pool.kernel[a] for a in (0, 1)]
    edges = [
        first.stride[a] * (pool.kernel[a] - 1)
        + first.weight.shape[2 + a]
        + second.dilation[a] * (second.weight.shape[2 + a] - 1) * step[a]
        for a in (0, 1)
    ]
    kernel = first.weight.new_zeros(len(second.weight), first.weight.shape[1], *edges)
    height, width = first.weight.shape[2:]
    for row in range(second.weight.shape[2]):
        for column in range(second.weight.shape[3]):
            tap = torch.einsum("km,mcij->kcij", second.weight[:, :, row, column], first.weight)
            for i in range(pool.kernel[0]):
                for j in range(pool.kernel[1]):
                    top = row * second.dilation[0] * step[0] + i * first.stride[0]
                    left = column * second.dilation[1] * step[1] + j * first.stride[1]
                    kernel[:, :, top : top + height, left : left + width] += tap
    return kernel / math.prod(pool.kernel)
