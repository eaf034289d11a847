"""Gradient norms, vulnerability and damage, per sample and averaged; float32 throughout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import torch
from torch import nn

from advdim.answers import NO_PREDICTION, cross_entropy, predicted
from advdim.config.training import Measurement
from advdim.perturbations import loss_gradient, norms, pgd_linf, uniform_start


@dataclass(frozen=True)
class SampleMeasures:
    """What is measured of each sample; every field has shape (N,).

    ``adversarial_prediction`` is under an attack that raises the loss of the *prediction*
    (Definition 1); ``label_attack_prediction`` and ``label_attack_loss``, the label's loss, are
    under one that raises the label's loss. Where the prediction is right, both are the same.
    """

    label: torch.Tensor
    prediction: torch.Tensor
    loss: torch.Tensor
    grad_l1: torch.Tensor
    grad_l2: torch.Tensor
    grad_l1_untied: torch.Tensor
    grad_l2_untied: torch.Tensor
    grad_nonzero: torch.Tensor
    adversarial_prediction: torch.Tensor
    label_attack_prediction: torch.Tensor
    label_attack_loss: torch.Tensor

    def averages(self) -> dict[str, float]:
        """Return the mean over samples of every measure of Definition 1 and Lemma 2.

        accuracy, adversarial_accuracy, grad_nonzero and both vulnerabilities, shares of predictions
        that an attack changes, right or wrong before, are fractions; loss and damage are in nats;
        grad_l1 = E||dL/dx||_1 and grad_l2 in nats per normalised unit.
        """
        means = {
            "accuracy": self.prediction == self.label,
            "loss": self.loss,
            "grad_l1": self.grad_l1,
            "grad_l2": self.grad_l2,
            "grad_l1_untied": self.grad_l1_untied,
            "grad_l2_untied": self.grad_l2_untied,
            "grad_nonzero": self.grad_nonzero,
            "vulnerability": self.adversarial_prediction != self.prediction,
            "vulnerability_of_label": self.label_attack_prediction != self.prediction,
            "damage": self.label_attack_loss.double() - self.loss.double(),
            "adversarial_accuracy": self.label_attack_prediction == self.label,
        }
        return {name: float(values.double().mean()) for name, values in means.items()}


def measure(
    network: nn.Module,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    settings: Measurement,
    threshold: float,
    noise: torch.Generator,
    start: torch.Generator,
) -> SampleMeasures:
    """Measure every sample of ``batches`` in evaluation mode; the network is left as it was.

    ``threshold`` is the l-inf threshold of the PGD attacks in normalised units. Gradients are taken
    at the image and, with ties of equal pixels broken, at the image plus uniform noise from the
    stream ``noise``; ``start`` is the stream of the attacks' random starts, which
    both share.
    """
    was_training = network.training
    network.eval()
    try:
        parts = [
            _measure_batch(network, inputs, labels, settings, threshold, noise, start)
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
    threshold: float,
    noise: torch.Generator,
    start: torch.Generator,
) -> SampleMeasures:
    logits, gradient = loss_gradient(network, inputs, labels)
    jitter = torch.rand(inputs.shape, generator=noise, device=noise.device).to(inputs.device)
    _, untied = loss_gradient(network, inputs + (2 * jitter - 1) * settings.tie_noise, labels)
    prediction = predicted(logits)
    first = uniform_start(inputs, threshold, start) if settings.random_start else None
    moved = _attacked_logits(network, inputs, labels, threshold, settings, first, gradient)
    adversarial_prediction = predicted(moved)
    wrong = ((prediction != labels) & (prediction != NO_PREDICTION)).nonzero().flatten()
    if len(wrong):
        of_wrong = None if first is None else first[wrong]
        adversarial_prediction[wrong] = predicted(
            _attacked_logits(
                network, inputs[wrong], prediction[wrong], threshold, settings, of_wrong
            )
        )
    measures = SampleMeasures(
        label=labels,
        prediction=prediction,
        loss=cross_entropy(logits, labels),
        grad_l1=norms(gradient, 1),
        grad_l2=norms(gradient, 2),
        grad_l1_untied=norms(untied, 1),
        grad_l2_untied=norms(untied, 2),
        grad_nonzero=(gradient != 0).flatten(1).float().mean(1),
        adversarial_prediction=adversarial_prediction,
        label_attack_prediction=predicted(moved),
        label_attack_loss=cross_entropy(moved, labels),
    )
    return SampleMeasures(**{name: value.cpu() for name, value in vars(measures).items()})


def _attacked_logits(
    network: nn.Module,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    threshold: float,
    settings: Measurement,
    start: torch.Tensor | None,
    gradient: torch.Tensor | None = None,
) -> torch.Tensor:
    delta = pgd_linf(
        network,
        inputs,
        targets,
        threshold,
        steps=settings.steps,
        relative_step=settings.relative_step,
        start=start,
        gradient=gradient,
    )
    with torch.no_grad():
        return network(inputs + delta)


@torch.no_grad()
def accuracy(network: nn.Module, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Return the share of correct predictions in evaluation mode, in [0, 1]."""
    was_training = network.training
    network.eval()
    correct, count = 0, 0
    for inputs, labels in batches:
        correct += int((predicted(network(inputs)) == labels).sum())
        count += len(labels)
    network.train(was_training)
    return correct / count
