"""Read a torch network into the typed layers of ``layers.py``; the unknown is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from advdim.bounds.folding import HOMOGENEOUS, fold
from advdim.bounds.layers import (
    Diagonal,
    Flatten,
    Layer,
    Linear,
    ReflectionPad,
    Relu,
    Residual,
    TensorShape,
)
from advdim.bounds.pools import LpPool
from advdim.bounds.readers import READERS, UnsupportedLayer
from advdim.networks.architectures import ResidualBlock
from advdim.networks.layers import has_hooks, in_turn
from advdim.units import Normalisation

KEEPS_SIGNS = (*HOMOGENEOUS, ReflectionPad, Flatten)  # no negative value where none enters


def read_layers(
    network: nn.Module, input_shape: TensorShape, normalisation: Normalisation | None = None
) -> list[Layer]:
    """Describe ``network`` in evaluation mode, in float64, for inputs of shape ``input_shape``.

    With a ``normalisation`` the layers take pixels in [0, 1], else what the network takes.
    ``input_shape`` is (C, H, W) or (F,). Raises UnsupportedLayer for a layer without a bound.
    """
    layers: list[Layer] = []
    shape = tuple(input_shape)
    if normalisation is not None:
        std = torch.tensor(normalisation.std, dtype=torch.float64)
        mean = torch.tensor(normalisation.mean, dtype=torch.float64)
        layers.append(Diagonal(shape, shape, 1 / std, -mean / std))
    modules = list(_leaves(network))
    if modules and isinstance(modules[-1], (nn.Softmax, nn.LogSoftmax)):
        modules.pop()  # monotone, so the prediction does not see it
    folded = _sequence(modules, shape, layers)
    if not folded or not isinstance(folded[-1], Linear):
        raise UnsupportedLayer("The network must end in a linear layer that yields the logits.")
    return folded


def _leaves(module: nn.Module) -> Iterator[nn.Module]:
    children = in_turn(module)
    if children is None:
        yield module
        return
    for child in children:
        yield from _leaves(child)


def _read(module: nn.Module, shape: TensorShape) -> list[Layer]:
    _demand_no_hooks(module)
    for kind, reader in _READERS.items():
        if type(module) is kind:
            with torch.no_grad():
                layers = reader(module, shape)
            _demand_finite_weights(module, layers)
            return layers
    raise UnsupportedLayer(
        f"Layer type {type(module).__name__!r} has no lower bound; known are "
        f"{', '.join(kind.__name__ for kind in _READERS)} and nested Sequential without hooks."
    )


def _demand_no_hooks(module: nn.Module) -> None:
    """Refuse what may change a layer's weights, inputs or outputs whenever it is called."""
    if has_hooks(module):
        raise UnsupportedLayer(
            f"Layer type {type(module).__name__!r} has hooks, as spectral_norm and weight_norm of "
            "torch.nn.utils set them; lower bounds need layers without."
        )


def _demand_finite_weights(module: nn.Module, layers: Sequence[Layer]) -> None:
    for values in (value for layer in layers for value in vars(layer).values()):
        if isinstance(values, Tensor) and len(others := values[~values.isfinite()]):
            raise UnsupportedLayer(
                f"Layer type {type(module).__name__!r} has a weight of {float(others[0])}; lower "
                "bounds need finite weights."
            )


def _demand_norms(layers: Sequence[Layer]) -> None:
    """Refuse L_p pools of values of both signs where these enter by odd or broken powers."""
    signed = True
    for layer in layers:
        if isinstance(layer, LpPool) and signed and layer.p != 1 and layer.p % 2:
            raise UnsupportedLayer(
                f"LPPool2d with p = {layer.p:g} is no norm of values of both signs; use it after "
                "a ReLU, or with an even p."
            )
        signed = not isinstance(layer, Relu) and (signed or not isinstance(layer, KEEPS_SIGNS))


def _residual(module: ResidualBlock, shape: TensorShape) -> list[Layer]:
    body, shortcut = (_sequence(_leaves(p), shape) for p in (module.body, module.shortcut))
    after = body[-1].output_shape
    return [Residual(shape, after, tuple(body), tuple(shortcut)), Relu(after, after)]


def _sequence(
    modules: Iterable[nn.Module], shape: TensorShape, before: Sequence[Layer] = ()
) -> list[Layer]:
    """Read what follows the layers ``before``; all of them are folded."""
    layers = list(before)
    for module in modules:
        layers += _read(module, shape)
        shape = layers[-1].output_shape if layers else shape
    _demand_norms(layers)
    return fold(layers)


_READERS: dict[type[nn.Module], Callable[..., list[Layer]]] = {
    **READERS,
    ResidualBlock: _residual,
}
