"""Spectral norms from above: what a sound bound may divide by.

Every function returns a number that is at least the exact norm, rounding included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from advdim.bounds.certified import padded_norm
from advdim.bounds.layers import (
    Convolution,
    Diagonal,
    Flatten,
    Layer,
    Linear,
    Pair,
    ReflectionPad,
    Relu,
)
from advdim.bounds.pools import AdaptiveMaxPool, AveragePool, LpPool, MaxPool, most_windows

ROUNDING = 1 + 1e-6  # relative; float64 singular values and products are good to 1e-11 here
LARGEST_GRID = 40  # frequencies per axis; finer grids are replaced by this one and its correction


def dense_norm(matrix: Tensor) -> float:
    """Return an upper estimate of the spectral norm of a matrix of shape (m, n)."""
    if min(matrix.shape) <= 1024:
        return float(torch.linalg.matrix_norm(matrix.double(), 2)) * ROUNDING
    return float(gram_norm(matrix.double()))


def gram_norm(matrices: Tensor, iterations: int = 10) -> Tensor:
    """Return upper estimates of the spectral norms of matrices (..., m, n), shape (...).

    With G = A^H A, ``norm(A)^2 = norm(G^(2^i))^(1/2^i) <= norm_F(G^(2^i))^(1/2^i)``, and the right
    side falls to the left as i grows (Delattre et al., ICML 2023, Theorem 1).
    """
    smaller = matrices if matrices.shape[-2] >= matrices.shape[-1] else matrices.mH
    gram = smaller.mH @ smaller
    logarithm = torch.zeros(gram.shape[:-2], dtype=torch.float64)
    for iteration in range(iterations + 1):
        size = torch.linalg.matrix_norm(gram).double().clamp_min(1e-300)
        # Rescale so that squaring neither overflows nor underflows; the scale is kept in the log.
        logarithm = logarithm + size.log() / 2**iteration
        gram = gram / size[..., None, None].to(gram.dtype)
        if iteration < iterations:
            gram = gram @ gram
    return (logarithm / 2).exp() * ROUNDING


def patch_norm(layer: Convolution) -> float:
    """Return ``sqrt(m_h m_w) * sigma(W as outputs x (inputs height width))`` (cheap and loose).

    A pixel lies in at most ``m_h m_w`` patches, and the norm over all patches counts it as often.
    """
    padded = (layer.padded_size[a] - 2 * layer.padding[a] for a in (0, 1))
    coverage = math.prod(
        most_windows(size, kernel, stride, padding, dilation)
        for size, kernel, stride, padding, dilation in zip(
            padded,
            layer.weight.shape[2:],
            layer.stride,
            layer.padding,
            layer.dilation,
            strict=True,
        )
    )
    return math.sqrt(coverage) * dense_norm(layer.weight.flatten(1)) * copying_norm(layer)


def convolution_norm(layer: Convolution) -> float:
    """Return an upper estimate of a padded convolution's norm, from its symbol.

    The padded convolution is a block of a circular one on a grid at least as large, whose norm is
    the largest over the grid's frequencies. Dilation only interleaves copies of the undilated one,
    so the cost depends neither on dilation nor, beyond ``LARGEST_GRID``, on the size. Padding that
    copies pixels multiplies this by its own norm; padding and convolution as one operator do not.
    """
    common = [math.gcd(s, d) for s, d in zip(layer.stride, layer.dilation, strict=True)]
    stride = [s // g for s, g in zip(layer.stride, common, strict=True)]
    lengths = [-(-size // d) for size, d in zip(layer.padded_size, layer.dilation, strict=True)]
    matrices, correction = strided_symbol(layer.weight, (stride[0], stride[1]), (1, 1), lengths)
    norm = min(
        float(gram_norm(matrices).max()) * correction * copying_norm(layer), patch_norm(layer)
    )
    together = padded_norm(layer) if any(layer.copies) else None
    return norm if together is None else min(norm, together * ROUNDING)


def strided_symbol(
    weight: Tensor, stride: Pair, group: Pair, lengths: Sequence[int], exact: bool = False
) -> tuple[Tensor, float]:
    """Return an undilated convolution's symbol on a grid of frequencies, and the grid's correction.

    ``weight`` is (k, c, q_h, q_w); outputs are grouped into blocks of ``group`` (the windows of a
    pool), inputs into blocks of ``stride * group``. The matrices have shape (frequencies,
    group_h * group_w * k, period_h * period_w * c), window position before channel. The norm of
    the convolution on ``lengths`` padded pixels is at most ``correction`` times the largest norm.
    ``exact`` takes all frequencies, however many.
    """
    taps = [_axis_taps(weight.shape[2 + a], stride[a], group[a]) for a in (0, 1)]
    period = [s * g for s, g in zip(stride, group, strict=True)]
    grids, correction = zip(
        *(_grid(-(-lengths[a] // period[a]), max(t[3] for t in taps[a]), exact) for a in (0, 1)),
        strict=True,
    )
    # The weights are real, so conjugate frequencies have equal norms: half of one axis suffices.
    rows, columns = torch.arange(grids[0]), torch.arange(grids[1] // 2 + 1)
    angle_rows, angle_columns = 2 * math.pi * rows / grids[0], 2 * math.pi * columns / grids[1]
    outputs, inputs = weight.shape[:2]
    shape = (len(rows) * len(columns), group[0], group[1], outputs, period[0], period[1], inputs)
    symbol = torch.zeros(shape, dtype=torch.complex128)
    for (a, i, b, m), (a2, i2, b2, m2) in product(taps[0], taps[1]):
        phase = angle_rows[:, None].double() * m + angle_columns[None, :].double() * m2
        factor = torch.polar(torch.ones_like(phase), phase).flatten()
        tap = weight[:, :, i, i2].to(torch.complex128)
        symbol[:, a, a2, :, b, b2, :] += factor[:, None, None] * tap
    height = group[0] * group[1] * outputs
    return symbol.reshape(len(rows) * len(columns), height, -1), math.prod(correction)


def _axis_taps(kernel: int, stride: int, group: int) -> list[tuple[int, int, int, int]]:
    """List (position in the window, tap, position in the input block, shift in blocks)."""
    period = stride * group
    return [
        (position, tap, (stride * position + tap) % period, (stride * position + tap) // period)
        for position in range(group)
        for tap in range(kernel)
    ]


def _grid(length: int, degree: int, exact: bool) -> tuple[int, float]:
    """Return the frequencies to sample on one axis and the factor that covers those between.

    The squared norm along a fixed vector is a trigonometric polynomial of ``degree``; between N
    samples it exceeds their maximum by at most 1 / cos(pi degree / N) (Ehlich and Zeller, 1964).
    """
    if exact or length <= LARGEST_GRID or 4 * degree >= LARGEST_GRID:
        return length, 1.0
    return LARGEST_GRID, 1 / math.sqrt(math.cos(math.pi * degree / LARGEST_GRID))


def copying_norm(layer: Convolution | ReflectionPad) -> float:
    """Return the exact norm of a padding that copies pixels: the root of how often it shows one.

    The padding P copies pixels, so P^T P is the diagonal matrix of copy counts (up to 9 where the
    padding reaches over half the image, else at most 4).
    """
    if isinstance(layer, ReflectionPad):
        copies, mode = layer.padding, "reflect"
    else:
        copies, mode = layer.copies, layer.mode
    if not any(copies):
        return 1.0
    _, height, width = layer.input_shape
    ones = torch.ones(1, 1, height, width, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        padded = torch.nn.functional.pad(ones, copies, mode=mode)
        (shown,) = torch.autograd.grad(padded.sum(), ones)
    return math.sqrt(float(shown.max()))


def row_norms(layer: Convolution | Linear) -> Tensor:
    """Return upper estimates of how fast one output of each channel can change, (channels,).

    At a border where pixels are copied, the taps that read one pixel add up.
    """
    plain = layer.weight.flatten(1).norm(dim=1)
    if isinstance(layer, Linear) or not any(layer.copies):
        return plain
    folded = [kernel.flatten(1).norm(dim=1) for kernel in _at_borders(layer)]
    return torch.stack([plain, *folded]).amax(0) if folded else plain * copying_norm(layer)


def _at_borders(layer: Convolution) -> list[Tensor]:
    """Return the kernels at a mirror's borders, none where these are not known to be all.

    There an outer tap reads the pixel of the other outer one, or that of the one in the middle.
    """
    distance = layer.dilation[0]
    mirrors = layer.mode == "reflect" and set(layer.copies) == {distance}
    square = layer.weight.shape[2:] == (3, 3) and layer.dilation == (distance, distance)
    if not (mirrors and square and min(layer.input_shape[1:]) > 2 * distance):
        return []
    one = torch.eye(3, dtype=layer.weight.dtype)
    first, middle, last = one
    joined = [
        one,
        torch.stack([middle, first + last]),
        torch.stack([first + middle, last]),
        torch.stack([first, middle + last]),
    ]
    return [
        torch.einsum("ocij,ai,bj->ocab", layer.weight, rows, columns)
        for rows, columns in product(joined, repeat=2)
    ]


def adaptive_coverage(layer: AdaptiveMaxPool) -> float:
    """Return the root of how many windows a pixel lies in at most."""
    most = 1
    for size, parts in zip(layer.input_shape[1:], layer.output_shape[1:], strict=True):
        count = torch.zeros(size, dtype=torch.int64)
        for part in range(parts):
            count[part * size // parts : -(-(part + 1) * size // parts)] += 1
        most *= int(count.max())
    return math.sqrt(most)


def pool_coverage(layer: MaxPool | LpPool) -> float:
    """Return ``sqrt(m_h m_w)``, where a pixel lies in at most m windows of each axis."""
    dilation = layer.dilation if isinstance(layer, MaxPool) else (1, 1)
    padding = layer.padding if isinstance(layer, MaxPool) else (0, 0)
    counts = [
        min(
            most_windows(
                layer.input_shape[1 + axis],
                layer.kernel[axis],
                layer.stride[axis],
                padding[axis],
                dilation[axis],
            ),
            layer.output_shape[1 + axis],
        )
        for axis in (0, 1)
    ]
    return math.sqrt(counts[0] * counts[1])


def lp_pool_norm(layer: LpPool) -> float:
    """Return L_p pooling's Lipschitz constant: a p-norm is at most n^max(0, 1/p - 1/2) 2-norms.

    It is the mean of powers times the kernel's n, so a last window that the image cuts to m counts
    (n/m)^(1/p) times.
    """
    elements = layer.kernel[0] * layer.kernel[1]
    inside = 1
    for axis in (0, 1):
        start = layer.stride[axis] * (layer.output_shape[1 + axis] - 1)
        inside *= min(layer.kernel[axis], layer.input_shape[1 + axis] - start)
    cut = (elements / inside) ** (1 / layer.p)
    return pool_coverage(layer) * elements ** max(0.0, 1 / layer.p - 0.5) * cut


def lipschitz(layer: Layer) -> float:
    """Return an upper estimate of the l2 Lipschitz constant of a layer without parts."""
    if isinstance(layer, Convolution):
        return convolution_norm(layer)
    if isinstance(layer, Linear):
        return dense_norm(layer.weight)
    if isinstance(layer, Diagonal):
        return float(layer.scale.abs().max())
    if isinstance(layer, ReflectionPad):
        return copying_norm(layer)
    if isinstance(layer, AdaptiveMaxPool):
        return adaptive_coverage(layer)
    if isinstance(layer, AveragePool):
        return dense_norm(layer.rows) * dense_norm(layer.columns)
    if isinstance(layer, MaxPool):
        return pool_coverage(layer)
    if isinstance(layer, LpPool):
        return lp_pool_norm(layer)
    if isinstance(layer, (Relu, Flatten)):
        return 1.0
    raise TypeError(f"No Lipschitz constant for {type(layer).__name__}.")
