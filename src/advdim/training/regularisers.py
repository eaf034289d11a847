"""The training methods: each is one objective of a batch, as its formula in the papers.

Every function takes ``(network, inputs, labels, epsilon)``: inputs (N, C, H, W) in normalised
units, integer labels (N,), and the strength ``epsilon`` (epsilon_inf, normalised units); it
returns a scalar to be minimised, in nats. ``d = C * H * W``. Where perturbations are made,
``crafting`` is the network that their gradients are taken of, on the same parameters: by default
``network`` itself.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from advdim import user_code
from advdim.catalogue.entries import Functions
from advdim.catalogue.methods import METHODS
from advdim.networks.perturbations import (
    Norm,
    ascend,
    loss_gradient,
    norms,
    per_sample_loss,
    steepest,
    uniform_start,
)
from advdim.networks.tangents import can_linearize, linearize

Objective = Callable[..., torch.Tensor]


def none(
    network: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, epsilon: float = 0.0
) -> torch.Tensor:
    """Return the mean loss, without regularisation; the strength has no effect."""
    return F.cross_entropy(network(inputs), labels)


def grad_l1(
    network: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, epsilon: float
) -> torch.Tensor:
    """L + epsilon/2 E||dL/dx||_1 (ICML 2019, Eq. 4, the dual of l-inf)."""
    return _gradient_penalty(network, inputs, labels, epsilon, order=1)


def grad_l2(
    network: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, epsilon: float
) -> torch.Tensor:
    """L + epsilon/2 d^(1/2) E||dL/dx||_2 (ICML 2019, Eqs. 3 and 4; double backpropagation)."""
    return _gradient_penalty(network, inputs, labels, epsilon, order=2)


def _gradient_penalty(
    network: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, epsilon: float, order: int
) -> torch.Tensor:
    inputs = inputs.detach().requires_grad_()
    dimension = inputs[0].numel()
    strength = epsilon / 2 * dimension ** (1 - 1 / order)
    if not can_linearize(network):
        losses = per_sample_loss(network, inputs, labels)
        (gradient,) = torch.autograd.grad(losses.sum(), inputs, create_graph=True)
        return losses.mean() + strength * norms(gradient, order).mean()
    logits, push = linearize(network, inputs)
    losses = F.cross_entropy(logits, labels, reduction="none")
    (gradient,) = torch.autograd.grad(losses.sum(), inputs, retain_graph=True)
    # along its own steepest ascent a gradient is as long as its norm, to first order there, too
    moved = push(steepest(gradient, "linf" if order == 1 else "l2"))
    loss_moved = (logits.softmax(1) * moved).sum(1) - moved.gather(1, labels[:, None])[:, 0]
    return losses.mean() + strength * loss_moved.mean()


def aug_linf(
    network: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    epsilon: float,
    *,
    batch_norm_during_attack: str = "train",
    crafting: nn.Module | None = None,
) -> torch.Tensor:
    """(L(x) + L(x + delta)) / 2 with the one-step l-inf attack (ICML 2019, Eq. 5; FGSM)."""
    mode = batch_norm_during_attack
    return _augmented(network, crafting or network, inputs, labels, epsilon, "linf", mode)


def aug_l2(
    network: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    epsilon: float,
    *,
    batch_norm_during_attack: str = "train",
    crafting: nn.Module | None = None,
) -> torch.Tensor:
    """(L(x) + L(x + delta)) / 2, the one-step l2 attack of size epsilon d^(1/2) (Eqs. 3 and 5)."""
    radius = epsilon * inputs[0].numel() ** 0.5
    mode = batch_norm_during_attack
    return _augmented(network, crafting or network, inputs, labels, radius, "l2", mode)


def _augmented(
    network: nn.Module,
    crafting: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    radius: float,
    norm: Norm,
    batch_norm_during_attack: str,
) -> torch.Tensor:
    with batch_norm_mode(network, batch_norm_during_attack):
        _, gradient = loss_gradient(crafting, inputs, labels)
    adversarial = inputs + radius * steepest(gradient, norm)
    clean_loss = F.cross_entropy(network(inputs), labels)
    return (clean_loss + F.cross_entropy(network(adversarial), labels)) / 2


def pgd_linf(
    network: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    epsilon: float,
    *,
    steps: int = 7,
    relative_step: float = 1 / (0.75 * 7),
    random_start: bool = True,
    batch_norm_during_attack: str = "train",
    random: torch.Generator | None = None,
    crafting: nn.Module | None = None,
) -> torch.Tensor:
    """L(x + delta), delta by projected gradient ascent (ICML 2019, Section 4.1; Madry et al.).

    The full adversarial loss, without the factor 1/2 of Eq. 5: at first order twice as strong as
    the other methods at the same epsilon. ``random`` is the stream of the random starts; without
    it, torch's default generator is used.
    """
    stream = random or torch.default_generator
    start = uniform_start(inputs, epsilon, stream) if random_start else None
    with batch_norm_mode(network, batch_norm_during_attack):
        delta = ascend(
            crafting or network,
            inputs,
            labels,
            epsilon,
            steps=steps,
            relative_step=relative_step,
            start=start,
        )
    return F.cross_entropy(network(inputs + delta), labels)


def cross_lipschitz(
    network: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, epsilon: float
) -> torch.Tensor:
    """L + epsilon E[1/K^2 sum_{l,m} ||df_l/dx - df_m/dx||_2^2] (ICML 2019, Eq. 18).

    The double sum over pairs of the K logits equals
    ``2 K sum_l ||df_l/dx||^2 - 2 ||sum_l df_l/dx||^2``, so K gradients suffice.
    """
    inputs = inputs.detach().requires_grad_()
    known = can_linearize(network)
    logits, push = linearize(network, inputs) if known else (network(inputs), None)
    classes = logits.shape[1]
    gradients = torch.stack(
        [
            torch.autograd.grad(
                logits[:, k].sum(), inputs, retain_graph=True, create_graph=not known
            )[0]
            for k in range(classes)
        ]
    )
    total = gradients.sum(0)
    pairs = 2 * (classes * gradients.square().sum() - total.square().sum()) / classes**2
    if push:
        # its derivative with respect to each gradient, and the logits along that
        directions = 4 * (classes * gradients - total) / classes**2
        moved = torch.stack([push(directions[k])[:, k].sum() for k in range(classes)]).sum()
        pairs = pairs + moved - moved.detach()
    return F.cross_entropy(logits, labels) + epsilon * pairs / len(inputs)


@contextlib.contextmanager
def batch_norm_mode(network: nn.Module, mode: str) -> Iterator[None]:
    """Within the block, let batch norm use running statistics where ``mode`` is ``eval``."""
    layers = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    were = [layer.training for layer in layers]
    if mode == "eval":
        for layer in layers:
            layer.eval()
    try:
        yield
    finally:
        for layer, was in zip(layers, were, strict=True):
            layer.train(was)


REGULARISERS: Functions[Objective] = Functions(METHODS)


def objective(method: str, settings: Mapping[str, Any]) -> Objective:
    """Return a method's function, the user's own where it is not known, its settings filled in.

    It accepts the stream ``random`` and the network ``crafting``, whether the method needs them or
    not.
    """
    if method in REGULARISERS:
        plain, arguments = REGULARISERS[method], settings
    else:
        plain, arguments = user_code.imported(settings["module"]), settings["arguments"]
    function = functools.partial(plain, **arguments)
    accepted = inspect.signature(plain).parameters

    def configured(
        network: nn.Module,
        inputs: torch.Tensor,
        labels: torch.Tensor,
        epsilon: float,
        random: torch.Generator,
        crafting: nn.Module | None = None,
    ) -> torch.Tensor:
        given = {"random": random, "crafting": crafting}
        needed = {name: value for name, value in given.items() if name in accepted}
        return function(network, inputs, labels, epsilon, **needed)

    return configured


def pgd_first_order_factor(settings: Mapping[str, Any]) -> float:
    """Return the factor of ``epsilon_inf E||dL/dx||_1`` in PGD's first-order expansion.

    PGD has not the half of Eqs. 4 and 5: with steps that add up to ``r`` radii it gets
    ``min(r, 1)`` from the centre, and ``1 - (2 - r)^2 / 4`` on average from a uniform start where
    ``r < 2`` (8/9 with the authors' 7 steps of .19).
    """
    reach = settings["steps"] * settings["relative_step"]
    if settings["random_start"]:
        return float(1 - max(0.0, 2 - reach) ** 2 / 4)
    return float(min(reach, 1.0))
