"""Try a network before anything depends on it: its answers and its gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from advdim.networks.answers import are_probabilities, is_random
from advdim.networks.shape import NetworkError, Shape, first_line

IMAGES = 4


def try_network(network: nn.Module, name: str, shape: Shape) -> None:
    """Raise NetworkError where a network's measures or attacks cannot be taken.

    It must give each image finite logits, the same again and whatever the other images are, and
    their loss must have a gradient.
    """
    _refuse_state_beside_tensors(network, name)
    network.eval()
    inputs = _random_images(shape)
    with torch.no_grad():
        logits, again, alone = network(inputs), network(inputs), network(inputs[:1])
    if not bool(torch.isfinite(logits).all()):
        raise NetworkError(f"Network {name} gives random images logits that are not finite.")
    if is_random([logits, again]):
        raise NetworkError(
            f"Network {name} answers the same images differently each time, in evaluation mode; "
            "attacks on random answers say nothing."
        )
    if not torch.allclose(logits[:1], alone, rtol=1e-3, atol=1e-4 * float(logits.abs().max())):
        raise NetworkError(
            f"Network {name} answers an image differently beside others, in evaluation mode."
        )
    refuse_probabilities(network, name, shape)
    _try_gradient(network, inputs, name)


def _refuse_state_beside_tensors(network: nn.Module, name: str) -> None:
    for key, value in network.state_dict().items():
        if not isinstance(value, Tensor):
            raise NetworkError(
                f"Network {name} has state {key!r} of type {type(value).__name__}; only "
                "tensors are stored."
            )


@torch.no_grad()
def refuse_probabilities(network: nn.Module, name: str, shape: Shape) -> None:
    """Raise NetworkError where a network returns probabilities, as behind a softmax."""
    outputs = network.eval()(_random_images(shape))
    if are_probabilities(outputs):
        raise NetworkError(
            f"Network {name} returns probabilities; logits are wanted. 'softmax: remove' takes a "
            "layer torch.nn.Softmax at its end away."
        )


def _try_gradient(network: nn.Module, inputs: Tensor, name: str) -> None:
    images = inputs.clone().requires_grad_()
    try:
        logits = network(images)
        loss = functional.cross_entropy(logits, logits.argmin(1), reduction="sum")
        (gradient,) = torch.autograd.grad(loss, images)
    except RuntimeError as error:
        raise NetworkError(
            f"Network {name} has no gradient with respect to its input: {first_line(error)}"
        ) from error
    if not bool(torch.isfinite(gradient).all()):
        raise NetworkError(f"Network {name} has gradients that are not finite.")
    if not bool(gradient.any()):
        raise NetworkError(
            f"Network {name} has a gradient of 0 at random images: attacks along it find nothing."
        )


def _random_images(shape: Shape) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randn(IMAGES, shape.channels, shape.size, shape.size, generator=random)
