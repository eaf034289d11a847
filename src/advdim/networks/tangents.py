"""Directional derivatives of the papers' networks: how the logits move as the inputs do.

The gradient of a penalty on dL/dx needs second derivatives. Backward twice through the network
(double backpropagation) gives them, but the second pass of batch norm and pools is slow and leaves
the channels-last layout. Here the direction is pushed forward instead, layer by layer, beside the
layers' own maps; one ordinary backward pass through both then gives the same gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advdim.networks.layers import GlobalMaxPool, ReflectedConvolution, has_hooks, in_turn, largest

# From a direction of a layer's inputs to that of its outputs, at the inputs the layer last saw.
Push = Callable[[Tensor], Tensor]
# Layers that are linear and have no parameters.
LINEAR = (nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Identity)


def can_linearize(network: nn.Module) -> bool:
    """Return whether ``linearize`` knows every layer of the network."""
    layers = in_turn(network)
    return layers is not None and all(_known(layer) for layer in layers)


def linearize(network: nn.Module, inputs: Tensor) -> tuple[Tensor, Push]:
    """Return the logits (N, K), as ``network(inputs)``, and the derivative at the inputs.

    The derivative maps a direction (N, C, H, W) of all inputs at once to that of the logits
    (N, K). In training mode it includes how the batch's statistics move. It is differentiable with
    respect to parameters and inputs.
    """
    assert isinstance(network, nn.Sequential)
    pushes: list[Push] = []
    maps = inputs
    for layer in network:
        maps, push = _forward(layer, maps)
        pushes.append(push)

    def push_all(direction: Tensor) -> Tensor:
        for push in pushes:
            direction = push(direction)
        return direction

    return maps, push_all


def _known(layer: Any) -> bool:
    if has_hooks(layer):
        return False
    if type(layer) is nn.BatchNorm2d:
        return layer.affine and layer.track_running_stats and layer.momentum is not None
    if type(layer) in (nn.MaxPool2d, nn.AdaptiveMaxPool2d):
        return not layer.return_indices
    known = (nn.Conv2d, ReflectedConvolution, GlobalMaxPool, nn.Linear, nn.ReLU, *LINEAR)
    return type(layer) in known


def _forward(layer: Any, maps: Tensor) -> tuple[Tensor, Push]:
    if isinstance(layer, nn.Conv2d):
        return layer(maps), lambda direction: layer._conv_forward(direction, layer.weight, None)
    if isinstance(layer, nn.Linear):
        return layer(maps), lambda direction: F.linear(direction, layer.weight)
    if isinstance(layer, nn.ReLU):
        outputs = layer(maps)
        passed = outputs.detach()
        return outputs, lambda direction: torch.ops.aten.threshold_backward(direction, passed, 0)
    if isinstance(layer, nn.BatchNorm2d):
        return _batch_norm(layer, maps)
    if isinstance(layer, nn.MaxPool2d):
        pool: Any = layer
        outputs, chosen = F.max_pool2d_with_indices(
            maps, pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode
        )
        return outputs, lambda direction: _chosen(direction, chosen)
    if isinstance(layer, GlobalMaxPool):
        outputs, chosen = largest(maps)
        return outputs, lambda direction: _chosen(direction, chosen)
    if isinstance(layer, nn.AdaptiveMaxPool2d):
        outputs, chosen = F.adaptive_max_pool2d_with_indices(maps, layer.output_size)
        return outputs, lambda direction: _chosen(direction, chosen)
    return layer(maps), layer


def _chosen(direction: Tensor, chosen: Tensor) -> Tensor:
    """Return the direction at the pixels (N, C, H', W') that a max pool has chosen."""
    pixels = direction.permute(0, 2, 3, 1).flatten(1, 2)
    where = chosen.permute(0, 2, 3, 1)
    picked = pixels.gather(1, where.flatten(1, 2))
    return picked.view(where.shape).permute(0, 3, 1, 2)


def _batch_norm(layer: Any, maps: Tensor) -> tuple[Tensor, Push]:
    if not layer.training:
        scale = layer.weight * (layer.running_var + layer.eps).rsqrt()
        return layer(maps), lambda direction: direction * _per_channel(scale)
    layer.num_batches_tracked.add_(1)
    outputs, mean, inverse_deviation = torch.native_batch_norm(
        maps, layer.weight, layer.bias, layer.running_mean, layer.running_var,
        True, layer.momentum, layer.eps,
    )  # fmt: skip
    mean, inverse_deviation = mean.detach(), inverse_deviation.detach()
    return outputs, lambda direction: _BatchNormTangent.apply(
        direction, maps, layer.weight, mean, inverse_deviation, layer.eps
    )


class _BatchNormTangent(torch.autograd.Function):
    """How a batch norm's outputs move with its inputs, in training mode.

    With a = (x - mean) r, r the inverse deviation, and m() the mean over a channel's M values, the
    derivative along t is weight r (t - m(t) - a m(a t)): symmetric, so that it is also what the
    backward pass of batch norm computes. The backward pass here is its derivative along a
    cotangent u: with q = m(u t) - m(u) m(t) - m(a u) m(a t),

        d/dt = weight r (u - m(u) - a m(a u))
        d/dx = -weight r^2 (w - m(w) - a m(a w) + a q),  w = u m(a t) + t m(a u)
        d/dweight = M r q.
    """

    @staticmethod
    def forward(
        ctx: Any,
        direction: Tensor,
        maps: Tensor,
        weight: Tensor,
        mean: Tensor,
        inverse_deviation: Tensor,
        epsilon: float,
    ) -> Tensor:
        moved, along_maps, total = _normalise_backward(
            direction, maps, weight, mean, inverse_deviation, epsilon
        )
        count = maps.numel() // maps.shape[1]
        ctx.save_for_backward(
            direction, maps, weight, mean, inverse_deviation, along_maps / count, total / count
        )
        ctx.epsilon = epsilon
        return moved

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        direction, maps, weight, mean, inverse_deviation, m_at, m_t = ctx.saved_tensors
        count = maps.numel() // maps.shape[1]
        to_direction, along_maps, total = _normalise_backward(
            cotangent, maps, weight, mean, inverse_deviation, ctx.epsilon
        )
        m_au, m_u = along_maps / count, total / count
        m_ut = (cotangent * direction).mean((0, 2, 3))
        q = m_ut - m_u * m_t - m_au * m_at
        factor = -weight * inverse_deviation.square()
        of_maps = factor * (q - 2 * m_au * m_at) * inverse_deviation
        constant = -factor * (m_u * m_at + m_t * m_au) - of_maps * mean
        to_maps = torch.addcmul(_per_channel(constant), maps, _per_channel(of_maps))
        to_maps.addcmul_(cotangent, _per_channel(factor * m_at))
        to_maps.addcmul_(direction, _per_channel(factor * m_au))
        return to_direction, to_maps, count * inverse_deviation * q, None, None, None


def _normalise_backward(
    cotangent: Tensor,
    maps: Tensor,
    weight: Tensor,
    mean: Tensor,
    inverse_deviation: Tensor,
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return weight r (u - m(u) - a m(a u)), and the sums of a u and of u per channel."""
    gradients: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.native_batch_norm_backward(
        cotangent, maps, weight, None, None, mean, inverse_deviation, True, epsilon,
        [True, True, True],
    )  # fmt: skip
    return gradients


def _per_channel(values: Tensor) -> Tensor:
    return values.view(1, -1, 1, 1)
