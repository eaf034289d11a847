"""Gradient norms, vulnerability and damage, per sample and averaged; float32 throughout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import nn

from advdim.config.training import Measurement
from advdim.perturbations import loss_gradient, norms, pgd_linf


@dataclass(frozen=True)
class SampleMeasures:
    """What is measured of each sample; every field has shape (N,)."""

    label: torch.Tensor
    prediction: torch.Tensor
    loss: torch.Tensor
    grad_l1: torch.Tensor
    grad_l2: torch.Tensor
    grad_l1_untied: torch.Tensor
    grad_l2_untied: torch.Tensor
    grad_nonzero: torch.Tensor
    adversarial_prediction: torch.Tensor
    adversarial_loss: torch.Tensor

    def averages(self) -> dict[str, float]:
        """Return the mean over samples of every measure of Definition 1 and Lemma 2.

        accuracy, adversarial_accuracy, vulnerability (share of *predictions* that the attack
        changes, right or wrong before) and grad_nonzero are fractions; loss and damage are in
        nats; grad_l1 = E||dL/dx||_1 and grad_l2 in nats per normalised unit.
        """
        adversarial = self.adversarial_prediction
        means = {
            "accuracy": self.prediction == self.label,
            "loss": self.loss,
            "grad_l1": self.grad_l1,
            "grad_l2": self.grad_l2,
            "grad_l1_untied": self.grad_l1_untied,
            "grad_l2_untied": self.grad_l2_untied,
            "grad_nonzero": self.grad_nonzero,
            "vulnerability": adversarial != self.prediction,
            "damage": self.adversarial_loss.double() - self.loss.double(),
            "adversarial_accuracy": adversarial == self.label,
        }
        return {name: float(values.double().mean()) for name, values in means.items()}


def measure(
    network: nn.Module,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    settings: Measurement,
    epsilon: float,
    noise: torch.Generator,
    start: torch.Generator,
) -> SampleMeasures:
    """Measure every sample of ``batches`` in evaluation mode; the network is left as it was.

    ``epsilon`` is the l-inf threshold of the PGD attack in normalised units. Gradients are taken
    at the image and, with ties of equal pixels broken, at the image plus uniform noise from the
    stream ``noise``; ``start`` is the stream of the attack's random starts.
    """
    was_training = network.training
    network.eval()
    try:
        parts = [
            _measure_batch(network, inputs, labels, settings, epsilon, noise, start)
            for inputs, labels in batches
        ]
    finally:
        network.train(was_training)
    return SampleMeasures(
        **{
            field.name: torch.cat([getattr(part, field.name) for part in parts])
            for field in fields(SampleMeasures)
        }
    )


def _measure_batch(
    network: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    settings: Measurement,
    epsilon: float,
    noise: torch.Generator,
    start: torch.Generator,
) -> SampleMeasures:
    logits, gradient = loss_gradient(network, inputs, labels)
    jitter = torch.rand(inputs.shape, generator=noise, device=noise.device).to(inputs.device)
    _, untied = loss_gradient(network, inputs + (2 * jitter - 1) * settings.tie_noise, labels)
    delta = pgd_linf(
        network,
        inputs,
        labels,
        epsilon,
        steps=settings.steps,
        relative_step=settings.relative_step,
        random=start if settings.random_start else None,
        gradient=gradient,
    )
    with torch.no_grad():
        adversarial_logits = network(inputs + delta)
    measures = SampleMeasures(
        label=labels,
        prediction=logits.argmax(1),
        loss=F.cross_entropy(logits, labels, reduction="none"),
        grad_l1=norms(gradient, 1),
        grad_l2=norms(gradient, 2),
        grad_l1_untied=norms(untied, 1),
        grad_l2_untied=norms(untied, 2),
        grad_nonzero=(gradient != 0).flatten(1).float().mean(1),
        adversarial_prediction=adversarial_logits.argmax(1),
        adversarial_loss=F.cross_entropy(adversarial_logits, labels, reduction="none"),
    )
    return SampleMeasures(**{name: value.cpu() for name, value in vars(measures).items()})


@torch.no_grad()
def accuracy(network: nn.Module, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Return the share of correct predictions in evaluation mode, in [0, 1]."""
    was_training = network.training
    network.eval()
    correct, count = 0, 0
    for inputs, labels in batches:
        correct += int((network(inputs).argmax(1) == labels).sum())
        count += len(labels)
    network.train(was_training)
    return correct / count
