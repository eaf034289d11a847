"""One constant for a convolution and the max pool on it, below the product of the two.

Within a window of n values a change d of the values changes the maximum by at most
``max |d_i| <= |mean d| + sqrt((n - 1) / n) norm(d - mean d)``, since entries that sum to zero with
norm e are at most ``sqrt((n - 1) / n) e``. With Young's inequality and P the window mean, A the
convolution, ``M = (P A)^T P A`` and ``D = A^T A - n M`` (deviations from the window mean)::

    L^2 <= min over t > 0 of lambda_max((1 + t) M + (1 + 1/t) (n - 1)/n D)

At ``t = n - 1`` the right side is ``sigma(A)^2``, so the joint constant is never worse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from advdim.bounds.certified import certified_norm, steps_worth
from advdim.bounds.layers import Convolution
from advdim.bounds.operator_norms import (
    ROUNDING,
    convolution_norm,
    copying_norm,
    gram_norm,
    strided_symbol,
)
from advdim.bounds.pools import MaxPool

LARGEST_SYMBOL = (
    2_000_000  # complex numbers; for wider layers the gain was 0.1 % at a minute's cost
)
TRIALS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 0.35, 1 / 2, 0.7, 1.0)


@dataclass(frozen=True)
class JointNorms:
    """Upper estimates for a max pool after a convolution, both per unit of the convolution's input.

    ``pooled`` bounds the change of the pool's output, ``deviation`` the norm of all windows'
    deviations from their means.
    """

    pooled: float
    deviation: float


def joint_norms(convolution: Convolution, pool: MaxPool) -> JointNorms:
    """Return the joint constants; needs ``pool.tiles``.

    A dilated convolution keeps neighbouring pixels in different interleaved copies, where an even
    dilation gains nothing and an odd one is not worth its cost: there the plain norm is returned.
    """
    if not pool.tiles:
        raise ValueError("The joint constant needs disjoint, unpadded, complete windows.")
    plain = convolution_norm(convolution)
    size = pool.kernel[0] * pool.kernel[1]
    period = [s * q for s, q in zip(convolution.stride, pool.kernel, strict=True)]
    blocks = [min(-(-n // p), 40) for n, p in zip(convolution.padded_size, period, strict=True)]
    numbers = math.prod(blocks) * math.prod(period) * size * convolution.weight[:, :, 0, 0].numel()
    if convolution.dilation != (1, 1) or numbers > LARGEST_SYMBOL or size == 1:
        return JointNorms(plain, plain)
    symbol, correction = strided_symbol(
        convolution.weight, convolution.stride, pool.kernel, convolution.padded_size
    )
    symbol = mean_first(symbol, size)
    outputs = symbol.shape[1] // size
    correction *= copying_norm(convolution)
    deviation = float(gram_norm(symbol[:, outputs:]).max()) * correction
    best = min(((size - 1) * trial for trial in TRIALS), key=lambda t: _power(symbol, size, t))
    pooled = float(gram_norm(_weighted(symbol, size, best)).max()) * correction
    if any(convolution.copies) and (steps := steps_worth(convolution.multiply_adds)):
        pooled = min(pooled, _together(convolution, pool, best, steps))
        deviation = min(deviation, _together(convolution, pool, None, steps))
    return JointNorms(min(pooled, plain), min(deviation, plain))


def _together(convolution: Convolution, pool: MaxPool, t: float | None, steps: int) -> float:
    """Return the joint constant at ``t`` with the padding as a part of the map; None: deviations.

    The map's outputs are the window means and the deviations from them, weighted. Pixels that no
    window holds have the weight zero.
    """
    size = pool.kernel[0] * pool.kernel[1]
    means = 0.0 if t is None else math.sqrt(1 + t)
    rest = 1.0 if t is None else math.sqrt((1 + 1 / t) * (size - 1) / size)
    channels, *windows = pool.output_shape
    rows, columns = (count * edge for count, edge in zip(windows, pool.kernel, strict=True))
    left_over = (0, pool.input_shape[2] - columns, 0, pool.input_shape[1] - rows)

    def apply(values: Tensor) -> Tensor:
        outputs = convolution.linear_part(values)[..., :rows, :columns]
        mean = functional.avg_pool2d(outputs, pool.kernel)
        deviations = outputs - _spread(mean, pool)
        return torch.cat([means * mean.flatten(), rest * deviations.flatten()])

    def adjoint(gradients: Tensor) -> Tensor:
        count = math.prod(pool.output_shape)
        mean = gradients[:count].view(1, *pool.output_shape)
        deviations = gradients[count:].view(1, channels, rows, columns)
        deviations = deviations - _spread(functional.avg_pool2d(deviations, pool.kernel), pool)
        outputs = means / size * _spread(mean, pool) + rest * deviations
        return convolution.adjoint(functional.pad(outputs, left_over))

    return certified_norm(apply, adjoint, convolution.input_shape, steps) * ROUNDING


def _spread(means: Tensor, pool: MaxPool) -> Tensor:
    """Repeat every window's value (N, C, rows, columns) over its window."""
    height, width = pool.kernel
    return means.repeat_interleave(height, 2).repeat_interleave(width, 3)


def mean_first(symbol: Tensor, size: int) -> Tensor:
    """Change each window's coordinates, orthonormally, to its mean direction and the rest."""
    start = torch.eye(size, dtype=torch.float64)
    start[:, 0] = 1.0
    basis, _ = torch.linalg.qr(start)
    frequencies, height, width = symbol.shape
    windows = symbol.reshape(frequencies, size, height // size * width)
    return (basis.T.to(symbol.dtype) @ windows).reshape(frequencies, height, width)


def _weighted(symbol: Tensor, size: int, t: float) -> Tensor:
    """Stack the mean and deviation parts so that the Gram matrix is (1 + t) M + (1 + 1/t) f D."""
    outputs = symbol.shape[1] // size
    weights = torch.full((symbol.shape[1], 1), math.sqrt((1 + 1 / t) * (size - 1) / size))
    weights[:outputs] = math.sqrt((1 + t) / size)
    return symbol * weights.to(symbol.dtype)


def _power(symbol: Tensor, size: int, t: float) -> float:
    """Estimate the norm at ``t`` by a few power iterations: it only chooses ``t``."""
    matrices = _weighted(symbol, size, t)
    vector = torch.ones(matrices.shape[-1], 1, dtype=matrices.dtype).expand(len(matrices), -1, -1)
    random = torch.Generator().manual_seed(0)
    vector = torch.randn(vector.shape, dtype=torch.float64, generator=random).to(matrices.dtype)
    for _ in range(12):
        vector = vector / torch.linalg.vector_norm(vector, dim=1, keepdim=True).clamp_min(1e-300)
        vector = matrices.mH @ (matrices @ vector)
    return float(torch.linalg.vector_norm(vector, dim=1).max())


def window_deviation_norms(convolution: Convolution, pool: MaxPool) -> Tensor:
    """Return, per output channel, the norm of one window's deviations as a map of the input.

    The shape is (channels,). Zero padding only removes columns, so these hold at borders too.
    """
    kernel = convolution.weight
    reach = [
        convolution.stride[a] * (pool.kernel[a] - 1)
        + convolution.dilation[a] * (kernel.shape[2 + a] - 1)
        + 1
        for a in (0, 1)
    ]
    size = pool.kernel[0] * pool.kernel[1]
    shifted = kernel.new_zeros(len(kernel), size, kernel.shape[1], *reach)
    for index in range(size):
        row, column = divmod(index, pool.kernel[1])
        top, left = row * convolution.stride[0], column * convolution.stride[1]
        rows = slice(top, top + convolution.dilation[0] * (kernel.shape[2] - 1) + 1)
        columns = slice(left, left + convolution.dilation[1] * (kernel.shape[3] - 1) + 1)
        step_rows, step_columns = convolution.dilation
        shifted[:, index, :, rows, columns][:, :, ::step_rows, ::step_columns] = kernel
    flat = shifted.flatten(2)
    return gram_norm(flat - flat.mean(1, keepdim=True)) * copying_norm(convolution)
