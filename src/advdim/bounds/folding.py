"""Fold per-channel scales into the weights around them, so that norms are taken of what acts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from advdim.bounds.layers import Convolution, Diagonal, Flatten, Layer, Linear, ReflectionPad, Relu
from advdim.bounds.pools import AdaptiveMaxPool, AveragePool, LpPool, MaxPool

# relu(s x) = s relu(x) for s >= 0, and likewise for maxima, means and norms over a window.
HOMOGENEOUS = (Relu, MaxPool, AdaptiveMaxPool, AveragePool, LpPool)


def fold(layers: Sequence[Layer]) -> list[Layer]:
    """Return an equal network whose diagonal layers carry signs and shifts only, if possible."""
    folded: list[Layer] = []
    for layer in layers:
        if isinstance(layer, Diagonal):
            _fold_backwards(folded, layer)
        elif isinstance(layer, MaxPool) and folded and isinstance(folded[-1], Relu):
            # max(relu(x)) = relu(max(x)): pools next to convolutions have a joint constant.
            folded[-1:] = [layer, Relu(layer.output_shape, layer.output_shape)]
        elif isinstance(layer, Convolution) and _joins(folded, layer):
            pad = folded.pop()
            assert isinstance(pad, ReflectionPad)
            folded.append(
                replace(layer, input_shape=pad.input_shape, copies=pad.padding, mode="reflect")
            )
        else:
            folded.append(layer)
    return _fold_forwards(folded)


def _joins(layers: Sequence[Layer], convolution: Convolution) -> bool:
    """Tell whether a reflection padding before a convolution becomes a part of it."""
    padded = convolution.padding != (0, 0) or any(convolution.copies)
    return bool(layers) and isinstance(layers[-1], ReflectionPad) and not padded


def _fold_backwards(layers: list[Layer], diagonal: Diagonal) -> None:
    """Append ``diagonal`` to ``layers``, moving what can be moved into the weights before it."""
    position = len(layers) - 1
    while position >= 0 and isinstance(layers[position], HOMOGENEOUS):
        position -= 1
    target = layers[position] if position >= 0 else None
    if not isinstance(target, (Convolution, Linear)):
        layers.append(diagonal)
    elif position == len(layers) - 1:
        scaled = _scale_outputs(target, diagonal.scale)
        layers[position] = replace(scaled, bias=scaled.bias + diagonal.shift)
    else:
        # Between lies a pool or rectifier, which commutes with |scale| but not with sign or shift.
        layers[position] = _scale_outputs(target, diagonal.scale.abs())
        signs = torch.where(diagonal.scale < 0, -1.0, 1.0).to(diagonal.scale)
        layers.append(replace(diagonal, scale=signs))


def _scale_outputs(layer: Convolution | Linear, scale: torch.Tensor) -> Convolution | Linear:
    shape = (-1,) + (1,) * (layer.weight.ndim - 1)
    return replace(layer, weight=layer.weight * scale.view(shape), bias=layer.bias * scale)


def _fold_forwards(layers: list[Layer]) -> list[Layer]:
    """Move the scale of a leading diagonal (pixel units) into the first weights."""
    first = layers[0] if layers else None
    if not isinstance(first, Diagonal) or bool((first.scale == 0).any()):
        return layers
    position, repeats = 1, 1
    while position < len(layers) and isinstance(layers[position], (Flatten, ReflectionPad)):
        if isinstance(layers[position], Flatten):
            repeats = layers[position].output_shape[0] // first.scale.numel()
        position += 1
    target = layers[position] if position < len(layers) else None
    scale = first.scale.repeat_interleave(repeats)
    if isinstance(target, Convolution):
        scaled: Layer = replace(target, weight=target.weight * scale.view(1, -1, 1, 1))
    elif isinstance(target, Linear):
        scaled = replace(target, weight=target.weight * scale)
    else:
        return layers
    # s x + t = s (x + t / s): the shift stays, so that zero padding still pads what it padded.
    shift = replace(first, scale=torch.ones_like(first.scale), shift=first.shift / first.scale)
    return [shift, *layers[1:position], scaled, *layers[position + 1 :]]
