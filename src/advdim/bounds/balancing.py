"""Rescale channels between layers: an equal network whose norms multiply to less.

ReLU, pooling and reflection commute with positive factors per channel, so one layer's outputs may
be multiplied by s and the next one's inputs divided by it. The network computes the same function,
hence every bound of the rescaled network is a bound of the network, whatever s. The factors are
found by descent on the sum of the logarithms of smooth upper estimates of the layers' norms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor
from torch.optim.adam import adam

from advdim.bounds.folding import HOMOGENEOUS
from advdim.bounds.layers import (
    Convolution,
    Diagonal,
    Flatten,
    Layer,
    Linear,
    ReflectionPad,
    Residual,
)
from advdim.bounds.operator_norms import strided_symbol

TRANSPARENT = (*HOMOGENEOUS, Flatten, ReflectionPad, Diagonal)
BEYOND_KERNEL = 3  # frequencies per axis beyond the kernel's edge; final norms are certified anew


def balance(layers: Sequence[Layer], steps: int = 40, rate: float = 0.1) -> list[Layer]:
    """Return an equal network with channels rescaled between successive weight layers.

    Within a residual layer its body is rescaled, as its ends are fixed.
    """
    layers = [
        replace(layer, body=tuple(balance(layer.body, steps, rate)))
        if isinstance(layer, Residual)
        else layer
        for layer in layers
    ]
    weighted = [i for i, layer in enumerate(layers) if isinstance(layer, (Convolution, Linear))]
    pairs = [
        (one, two)
        for one, two in pairwise(weighted)
        if all(isinstance(layer, TRANSPARENT) for layer in layers[one + 1 : two])
    ]
    if not pairs:
        return list(layers)
    scales = _descend(layers, weighted, pairs, steps, rate)
    balanced = list(layers)
    for (one, two), scale in zip(pairs, scales, strict=True):
        _rescale(balanced, one, two, scale)
    return balanced


def _descend(
    layers: Sequence[Layer],
    weighted: Sequence[int],
    pairs: Sequence[tuple[int, int]],
    steps: int,
    rate: float,
) -> list[Tensor]:
    matrices = {i: _matrices(layers[i]) for i in weighted}
    logs = [
        torch.zeros(matrices[one].shape[1], dtype=matrices[one].real.dtype, requires_grad=True)
        for one, _ in pairs
    ]
    outgoing = {one: log for (one, _), log in zip(pairs, logs, strict=True)}
    incoming = {two: log for (_, two), log in zip(pairs, logs, strict=True)}
    means, squares = ([torch.zeros_like(log) for log in logs] for _ in range(2))
    counts = [torch.zeros(()) for _ in logs]
    for step in range(steps):
        with torch.enable_grad():
            total = torch.zeros((), dtype=logs[0].dtype)
            for index in weighted:
                matrix = matrices[index]
                if index in outgoing:
                    matrix = matrix * outgoing[index].exp()[:, None]
                if index in incoming:
                    repeats = matrix.shape[2] // len(incoming[index])
                    matrix = matrix / incoming[index].exp().repeat_interleave(repeats)
                total = total + _smooth_log_norm(matrix)
            gradients = list(torch.autograd.grad(total, logs))
        _adam_step(logs, gradients, means, squares, counts, rate * (1 - step / steps))
    return [log.detach().double().exp() for log in logs]


@torch.no_grad()
def _adam_step(
    logs: list[Tensor],
    gradients: list[Tensor],
    means: list[Tensor],
    squares: list[Tensor],
    counts: list[Tensor],
    rate: float,
) -> None:
    """Do as torch.optim.Adam, which calls the same function but loads torch's compiler."""
    adam(
        logs,
        gradients,
        means,
        squares,
        max_exp_avg_sqs=[],
        state_steps=counts,
        amsgrad=False,
        beta1=0.9,
        beta2=0.999,
        lr=rate,
        weight_decay=0.0,
        eps=1e-8,
        maximize=False,
    )


def _matrices(layer: Layer) -> Tensor:
    """Return the matrices (frequencies, outputs, inputs) whose largest norm is the layer's.

    They are scaled to a largest weight between 1 and 2, which moves no minimum.
    """
    assert isinstance(layer, (Convolution, Linear))
    # A power of two changes no digit, and single precision holds the products of what is left.
    _, exponent = math.frexp(float(layer.weight.abs().max()))
    weight = layer.weight / 2.0 ** (exponent - 1)
    if isinstance(layer, Linear):
        return weight[None].float()
    lengths = [edge + BEYOND_KERNEL for edge in layer.weight.shape[2:]]
    symbol, _ = strided_symbol(weight, (1, 1), (1, 1), lengths)
    return symbol.to(torch.complex64)


def _smooth_log_norm(matrices: Tensor, squarings: int = 4) -> Tensor:
    """Return the log of a Schatten norm of high order, over all frequencies at once."""
    smaller = matrices if matrices.shape[1] >= matrices.shape[2] else matrices.mH
    gram = smaller.mH @ smaller
    logarithm = torch.zeros((), dtype=gram.real.dtype)
    for squaring in range(squarings):
        size = gram.detach().abs().square().sum((1, 2)).sqrt().max().clamp_min(1e-30)
        logarithm = logarithm + size.log() / 2**squaring
        gram = gram / size
        gram = gram @ gram
    power = 2**squarings
    trace = gram.diagonal(dim1=1, dim2=2).real.sum()
    return logarithm / 2 + trace.clamp_min(1e-30).log() / (2 * power)


def _rescale(layers: list[Layer], one: int, two: int, scale: Tensor) -> None:
    first, second = layers[one], layers[two]
    assert isinstance(first, (Convolution, Linear))
    assert isinstance(second, (Convolution, Linear))
    shape = (-1,) + (1,) * (first.weight.ndim - 1)
    layers[one] = replace(first, weight=first.weight * scale.view(shape), bias=first.bias * scale)
    for index in range(one + 1, two):
        between = layers[index]
        if isinstance(between, Diagonal):
            layers[index] = replace(between, shift=between.shift * _repeated(scale, between.shift))
    columns = _repeated(scale, second.weight[0])
    shape = (1, -1) + (1,) * (second.weight.ndim - 2)
    layers[two] = replace(second, weight=second.weight / columns.view(shape))


def _repeated(scale: Tensor, units: Tensor) -> Tensor:
    """Return a scale per channel for each unit; behind a Flatten a channel has several."""
    return scale.repeat_interleave(len(units) // len(scale))
