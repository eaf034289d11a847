"""The one entry point: a network and its inputs in, every bound per sample out."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from advdim.bounds.balancing import balance
from advdim.bounds.constants_and_margins import Constants, analyse, network_constants
from advdim.bounds.from_torch import read_layers
from advdim.bounds.layers import Layer, TensorShape
from advdim.bounds.published import Conventions, published_bound
from advdim.bounds.sound import SOUND_BOUNDS, largest
from advdim.units import Normalisation

log = logging.getLogger(__name__)
MEMORY = 40_000_000  # numbers of one layer's gradients held at once, over samples and classes


@dataclass(frozen=True)
class LowerBounds:
    """Bounds of N samples, each tensor of shape (N,), on the CPU in float64.

    Radii are l2 norms, of pixels in [0, 1] where a normalisation was given, else of what the
    network takes. ``sound`` is the largest of ``single``, the sound bounds by name, and
    ``sound_kind`` names it. A sample whose prediction is a tie has bound 0; a class that no input
    can reach leaves infinity. ``predictions`` are the network's own (int64). Where none of the
    wanted bounds applies to the network, N is 0.
    """

    predictions: Tensor
    published: Tensor
    sound: Tensor
    sound_kind: list[str]
    single: dict[str, Tensor]


@dataclass(frozen=True)
class PreparedNetwork:
    """A network read, rescaled and measured once, to bound many samples.

    ``layers`` are as trained (the published bound is not invariant to rescaling), ``balanced``
    compute the same function with smaller norms.
    """

    network: nn.Module
    normalisation: Normalisation | None
    layers: list[Layer]
    balanced: list[Layer]
    constants: Constants


def prepare(
    network: nn.Module, input_shape: TensorShape, normalisation: Normalisation | None = None
) -> PreparedNetwork:
    """Read a network for inputs (C, H, W) or (F,), and compute what no sample changes.

    Raises UnsupportedLayer for a layer without a bound.
    """
    layers = read_layers(network, input_shape, normalisation)
    balanced = balance(layers)
    return PreparedNetwork(network, normalisation, layers, balanced, network_constants(balanced))


def lower_bounds(
    network: nn.Module | PreparedNetwork,
    inputs: Tensor,
    normalisation: Normalisation | None = None,
    conventions: Conventions | None = None,
    kinds: Collection[str] | None = None,
    batch_size: int | None = None,
) -> LowerBounds:
    """Bound the norm of the smallest adversarial perturbation of each input from below.

    ``inputs`` (N, C, H, W) or (N, F) are what the network takes (normalised). With a
    ``normalisation`` the radii are l2 norms of pixels. ``kinds`` restricts the sound bounds by name
    (default: all that apply); where none of them applies, all inputs are left out. A prepared
    network brings its own normalisation. Raises UnsupportedLayer for a layer without a bound, and
    ValueError for unknown kinds or logits that are not finite.
    """
    shape = tuple(inputs.shape[1:])
    ready = (
        network if isinstance(network, PreparedNetwork) else prepare(network, shape, normalisation)
    )
    names = _known(SOUND_BOUNDS if kinds is None else kinds)
    size = batch_size or _batch_size(ready)
    with torch.no_grad():
        parts = [_bound_batch(ready, batch, names, conventions) for batch in inputs.split(size)]
    single = {name: torch.cat([part.single[name] for part in parts]) for name in parts[0].single}
    if not single:
        log.warning("No input is bounded, since none of these kinds applies: %s.", ", ".join(names))
    return LowerBounds(
        torch.cat([part.predictions for part in parts]),
        torch.cat([part.published for part in parts]),
        torch.cat([part.sound for part in parts]),
        [kind for part in parts for kind in part.sound_kind],
        single,
    )


def _known(kinds: Collection[str]) -> list[str]:
    """Return the names in the catalogue's order; ValueError for unknown ones, and for none."""
    known = f"known are {', '.join(SOUND_BOUNDS)}."
    if unknown := [kind for kind in kinds if kind not in SOUND_BOUNDS]:
        raise ValueError(f"Unknown bounds {', '.join(unknown)}; {known}")
    if not kinds:
        raise ValueError(f"No bounds are asked for; {known}")
    return [name for name in SOUND_BOUNDS if name in kinds]


def _bound_batch(
    ready: PreparedNetwork, inputs: Tensor, names: list[str], conventions: Conventions | None
) -> LowerBounds:
    predictions = _logits(ready.network, inputs).argmax(1)
    exact = inputs.detach().double().cpu()
    points = ready.normalisation.invert(exact) if ready.normalisation else exact
    analysis = analyse(ready.balanced, ready.constants, points)
    # Where rounding decides the prediction, the sample is a tie.
    agrees = analysis.predictions == predictions
    single = {
        name: torch.where(agrees, bound, 0.0).double()
        for name in names
        if (bound := SOUND_BOUNDS[name](analysis)) is not None
    }
    if not single:
        nothing = torch.zeros(0, dtype=torch.float64)
        return LowerBounds(predictions[:0], nothing, nothing, [], {})
    sound, kinds = largest(single)
    original = analyse(ready.layers, ready.constants, points)
    published = torch.where(agrees, published_bound(original, conventions), 0.0)
    return LowerBounds(predictions, published, sound, kinds, single)


def _logits(network: nn.Module, inputs: Tensor) -> Tensor:
    was_training = network.training
    logits = network.eval()(inputs)
    network.train(was_training)
    if len(others := logits[~logits.isfinite()]):
        raise ValueError(
            f"The network yields a logit of {float(others[0])}; lower bounds need finite logits."
        )
    return logits.double().cpu()


def _batch_size(ready: PreparedNetwork) -> int:
    """Choose how many samples to hold, from the widest layer and the number of classes."""
    widest = max(torch.Size(layer.output_shape).numel() for layer in ready.layers)
    classes = ready.layers[-1].output_shape[0]
    return max(1, min(64, MEMORY // (widest * classes * 4)))
