"""What all bounds share: the network's constants, and the samples' activations and margins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from advdim.bounds.chaining import chained_norm
from advdim.bounds.layers import Convolution, Layer, Linear, Residual, forward
from advdim.bounds.operator_norms import lipschitz, patch_norm
from advdim.bounds.pooling import JointNorms, joint_norms
from advdim.bounds.pools import MaxPool
from advdim.bounds.rectified import rectified_norm
from advdim.bounds.weighting import pair_norms


@dataclass(frozen=True)
class Constants:
    """Upper estimates that depend on the network alone.

    ``loose`` and ``exact`` hold one Lipschitz constant per layer, from the patch formula and from
    certified operator norms; ``joint`` the joint norms by index of the pool, ``pairs`` those of
    ``weighting.pair_norms``. Per unit of change of the network's input, ``reach[i]`` bounds the
    change of layer i's input, ``plain_reach[i]`` does so without the joint norms, and
    ``deviation[i]`` bounds the deviations from the window means at the max pool i. ``inner`` has
    the constants of the two parts of each residual layer, by its index.
    """

    loose: tuple[float, ...]
    exact: tuple[float, ...]
    joint: dict[int, JointNorms]
    deviation: dict[int, float]
    pairs: Tensor | None
    plain_reach: tuple[float, ...]
    reach: tuple[float, ...]
    inner: dict[int, tuple[Constants, Constants]]

    def scaled(self, start: float) -> Constants:
        """Return the constants of a part whose input changes by ``start`` instead of 1.

        What concerns the network's last layers is left out.
        """
        return replace(
            self,
            pairs=None,
            deviation={index: start * value for index, value in self.deviation.items()},
            plain_reach=tuple(start * value for value in self.plain_reach),
            reach=tuple(start * value for value in self.reach),
            inner={k: (a.scaled(start), b.scaled(start)) for k, (a, b) in self.inner.items()},
        )


def network_constants(layers: Sequence[Layer]) -> Constants:
    """Compute the constants once per network, or per part of a residual layer."""
    parts = {
        index: (network_constants(layer.body), network_constants(layer.shortcut))
        for index, layer in enumerate(layers)
        if isinstance(layer, Residual)
    }
    exact = tuple(
        sum(part.plain_reach[-1] for part in parts[index]) if index in parts else lipschitz(layer)
        for index, layer in enumerate(layers)
    )
    loose = tuple(
        _loose(layer, norm, parts.get(index, ()))
        for index, (layer, norm) in enumerate(zip(layers, exact, strict=True))
    )
    joint = {
        index: joint_norms(before, layer)
        for index, (before, layer) in enumerate(pairwise(layers), start=1)
        if isinstance(layer, MaxPool) and layer.tiles and isinstance(before, Convolution)
    }
    plain, reach, deviation = [1.0], [1.0], dict[int, float]()
    inner = {}
    for index, norm in enumerate(exact):
        plain.append(plain[-1] * norm)
        after = reach[-1] * norm
        if index in parts:
            inner[index] = (parts[index][0].scaled(reach[-1]), parts[index][1].scaled(reach[-1]))
            after = sum(part.reach[-1] for part in inner[index])
        if index in joint:
            deviation[index] = _deviation(layers, index, joint, reach)
        others = (
            _rectified_reach(layers, index, exact, reach),
            _pooled_reach(index, joint, reach),
            _chained_reach(layers, index, joint, norm, reach),
        )
        reach.append(min(after, *others))
    pairs = pair_norms(layers)
    return Constants(loose, exact, joint, deviation, pairs, tuple(plain), tuple(reach), inner)


def _rectified_reach(
    layers: Sequence[Layer], index: int, exact: Sequence[float], reach: Sequence[float]
) -> float:
    """Bound what layer ``index`` yields by ``rectified_norm``, where it ends a linear map."""
    if not (layers[index].linear and _ends_map(layers, index)):
        return math.inf
    own = math.prod(exact[_map_start(layers, index) : index + 1])
    return rectified_norm(layers, index + 1, reach, own) or math.inf


def _pooled_reach(index: int, joint: Mapping[int, JointNorms], reach: Sequence[float]) -> float:
    """Bound what layer ``index`` yields by its norm together with the convolution before it."""
    if index not in joint:
        return math.inf
    convolution = index - 1
    return reach[convolution] * joint[index].pooled


def _chained_reach(
    layers: Sequence[Layer],
    index: int,
    joint: Mapping[int, JointNorms],
    norm: float,
    reach: Sequence[float],
) -> float:
    """Bound what a convolution yields by its norm together with a convolution and pool before."""
    layer, before = layers[index], _chain_start(layers, index, joint)
    if not isinstance(layer, Convolution) or before is None:
        return math.inf
    first = index - 2
    chain = chained_norm(*before, layer, norm)
    return reach[first] * chain if chain else math.inf


def _deviation(
    layers: Sequence[Layer],
    index: int,
    joint: Mapping[int, JointNorms],
    reach: Sequence[float],
) -> float:
    """Bound the deviations from the window means at the max pool ``index`` of ``joint``."""
    pool, second = index, index - 1
    found = min(reach[pool], reach[second] * joint[pool].deviation)
    layer, convolution = layers[pool], layers[second]
    before = _chain_start(layers, second, joint)
    if before is None:
        return found
    assert isinstance(layer, MaxPool)
    assert isinstance(convolution, Convolution)
    first = second - 2
    chain = chained_norm(*before, convolution, joint[pool].deviation, layer.kernel)
    return min(found, reach[first] * chain) if chain else found


def _loose(layer: Layer, norm: float, parts: Sequence[Constants]) -> float:
    if parts:
        return sum(math.prod(part.loose) for part in parts)
    return patch_norm(layer) if isinstance(layer, Convolution) else norm


def _ends_map(layers: Sequence[Layer], index: int) -> bool:
    """Tell whether a layer is the last of the linear ones that follow each other."""
    return index + 2 >= len(layers) or not layers[index + 1].linear


def _map_start(layers: Sequence[Layer], index: int) -> int:
    while index > 0 and layers[index - 1].linear:
        index -= 1
    return index


def _chain_start(
    layers: Sequence[Layer], index: int, joint: Mapping[int, JointNorms]
) -> tuple[Convolution, MaxPool] | None:
    """Return the convolution and max pool that come right before layer ``index``, if they do."""
    if index - 1 not in joint:
        return None
    first, pool = layers[index - 2], layers[index - 1]
    assert isinstance(first, Convolution)
    assert isinstance(pool, MaxPool)
    return first, pool


@dataclass(frozen=True)
class Analysis:
    """A batch of N samples at C classes: activations, predictions and margins.

    ``values[i]`` is the input of layer i, in float64. ``margins`` (N, C) holds the logit of the
    prediction minus each class's, less an allowance for rounding, infinite at the prediction
    itself. ``directions`` (C, N, F) holds the matching differences of rows of the last layer.
    """

    layers: Sequence[Layer]
    constants: Constants
    values: Sequence[Tensor]
    predictions: Tensor
    margins: Tensor
    directions: Tensor

    @property
    def last(self) -> Linear:
        """The layer that yields the logits."""
        layer = self.layers[-1]
        assert isinstance(layer, Linear)
        return layer


def analyse(layers: Sequence[Layer], constants: Constants, inputs: Tensor) -> Analysis:
    """Run ``inputs`` (N, *input_shape) through the layers and collect what the bounds need."""
    values = forward(layers, inputs)
    last = layers[-1]
    assert isinstance(last, Linear)
    logits = values[-1]
    predictions = logits.argmax(1)
    own = logits.gather(1, predictions[:, None])
    rounding = 1e-3 * torch.finfo(logits.dtype).eps ** 0.6 * logits.abs().amax(1, keepdim=True)
    margins = (own - logits - rounding).clamp_min(0)
    margins.scatter_(1, predictions[:, None], torch.inf)
    weight = last.weight.to(inputs.dtype)
    directions = weight[predictions][None] - weight[:, None]
    return Analysis(layers, constants, values, predictions, margins, directions)


def divide(margins: Tensor, norms: Tensor) -> Tensor:
    """Return ``margins / norms`` with ties at 0, and infinity where no change is possible."""
    ratio = margins / norms.clamp_min(torch.finfo(norms.dtype).tiny)
    ratio = torch.where(norms > 0, ratio, torch.inf)
    return torch.where(margins > 0, ratio, 0.0)
