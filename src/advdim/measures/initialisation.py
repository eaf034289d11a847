"""Gradient norms of the loss and of every logit, as the theorems at initialisation state them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from advdim.networks.perturbations import norms, uniform_start


def logit_gradients(network: nn.Module, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits (N, K) and the gradient of each logit, (K, N, C, S, S)."""
    variable = inputs.detach().requires_grad_()
    with torch.enable_grad():
        logits = network(variable)
        gradients = [
            torch.autograd.grad(logits[:, k].sum(), variable, retain_graph=True)[0]
            for k in range(logits.shape[1])
        ]
    return logits.detach(), torch.stack(gradients)


def gradient_statistics(network: nn.Module, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return, per sample (N,), the l1, l2 norm and mean absolute coordinate of two gradients.

    ``loss_*`` are of the sample's cross-entropy, ``logit_*`` of the logits, averaged over classes.
    The loss gradient is the sum over k of (softmax_k - 1[k = label]) times the k-th logit's.
    """
    logits, of_logits = logit_gradients(network, inputs)
    weights = logits.softmax(1)
    weights[torch.arange(len(labels), device=labels.device), labels] -= 1
    of_loss = torch.einsum("nk,knchw->nchw", weights, of_logits)
    flat = of_logits.flatten(0, 1)
    classes, dimension = logits.shape[1], inputs[0].numel()
    statistics = {}
    for order in (1, 2):
        statistics[f"loss_l{order}"] = norms(of_loss, order)
        statistics[f"logit_l{order}"] = norms(flat, order).view(classes, -1).mean(0)
    statistics["loss_mean"] = statistics["loss_l1"] / dimension
    statistics["logit_mean"] = statistics["logit_l1"] / dimension
    return statistics


def mean_statistics(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    tie_noise: float,
    noise: torch.Generator,
) -> dict[str, float]:
    """Return the means over samples; those with ties broken by uniform noise end in ``_untied``."""
    parts: dict[str, list[Tensor]] = {}
    network.eval()
    for inputs, labels in batches:
        untied = inputs + uniform_start(inputs, tie_noise, noise)
        for suffix, images in (("", inputs), ("_untied", untied)):
            for name, values in gradient_statistics(network, images, labels).items():
                parts.setdefault(name + suffix, []).append(values.double().cpu())
    return {name: float(torch.cat(values).mean()) for name, values in parts.items()}


@torch.no_grad()
def fill_batch_norm(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Set every batch norm's running statistics to the average over ``batches``.

    A batch of one image is left out, as in training: it has no variance.
    """
    layers = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    network.train()
    if layers:
        for inputs, _ in batches:
            if len(inputs) > 1:
                network(inputs)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    network.eval()
