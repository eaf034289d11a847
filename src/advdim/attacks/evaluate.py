"""One attack on one network, per sample, re-verified."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from advdim.attacks.base import Attack, Batch, norms
from advdim.attacks.pgd import Norm, l2_norm
from advdim.perturbations import loss_gradient
from advdim.units import EpsilonUnits, Normalisation, threshold, to_normalised

Target = Literal["prediction", "label"]
Rows = dict[str, np.ndarray]
TOLERANCE = 1e-5
ORDER: dict[Norm, float] = {"linf": math.inf, "l2": 2.0}


class AttackViolation(RuntimeError):
    """An attack reported an adversarial that is none, or that lies outside its ball."""


def evaluate_attack(
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    attack: Attack,
    epsilon_inf: float,
    thresholds: Sequence[float] = (),
    *,
    normalisation: Normalisation | None = None,
    units: EpsilonUnits = "normalised",
    target: Target = "prediction",
    box: bool = False,
    ceiling_inf: float | None = None,
    seed: int = 0,
    batch_size: int = 32,
) -> Rows:
    """Attack every sample and return the per-sample columns of the ``attacks`` table.

    Thresholds are given for the l-inf norm and converted by ``epsilon_p = epsilon_inf * d^(1/p)``
    (ICML 2019, Eq. 3). The losses are cross-entropies with the label, whatever the target.

    Args:
        network: maps normalised float32 inputs to logits; in evaluation mode.
        inputs: normalised inputs (N, C, H, W), float32.
        labels: classes (N,), int64.
        attack: an attack of the registry.
        epsilon_inf: the threshold of the table's loss, prediction and noise columns.
        thresholds: further thresholds at which success is reported.
        normalisation: needed for pixel units and for the box.
        units: units of ``epsilon_inf``, ``thresholds`` and ``ceiling_inf``.
        target: what an attack moves away from, and what its success leaves: ``prediction`` is the
            vulnerability of Definition 1. ``label`` maximises the loss, so it is the choice for the
            damage, counts misclassification, and puts samples that are wrong from the start at
            distance 0; the columns of predictions still tell which predictions changed.
        box: clip to pixels in [0, 1].
        ceiling_inf: largest threshold in the search for the smallest adversarial; by default the
            range of the pixels, or of the inputs where no normalisation is given.
        seed: seed of all random numbers.
        batch_size: samples at once; no influence on the result. On a CPU about 32 is fastest.

    Returns:
        Arrays of length N: ``sample``, ``label``, ``prediction``, ``adversarial_prediction``,
        ``norm_linf``, ``norm_l2`` (of the smallest adversarial found in the attack's norm,
        normalised units, NaN if none), ``loss``, ``adversarial_loss``, ``first_order``
        (``epsilon_p * ||dL/dx||_q``, Lemma 2), ``snr_db`` (``20 log10 ||x||_2 / ||delta||_2`` at
        the threshold, Appendix C; infinite without perturbation), and of shape (N, 1 + number of
        thresholds), first at ``epsilon_inf``, then at each of ``thresholds``: ``success``,
        ``adversarial_predictions`` and ``adversarial_losses``.

    Raises:
        AttackViolation: a reported adversarial failed its verification.
        ValueError: a threshold is negative, a normalisation is missing, inputs are not float32.
    """
    check_request(inputs, (epsilon_inf, *thresholds), normalisation, units, box)
    scales = normalisation or Normalisation((0.0,), (1.0,))
    dimension = inputs[0].numel()
    if ceiling_inf is None:
        ceiling_inf = default_ceiling(inputs, normalisation)
    else:
        ceiling_inf = to_normalised(ceiling_inf, units, scales)
    order = ORDER[attack.norm]
    radii = [
        threshold(to_normalised(value, units, scales), dimension, order)
        for value in (epsilon_inf, *thresholds)
    ]
    ceiling = threshold(ceiling_inf, dimension, order)
    predictions = predict(network, inputs, batch_size)[0]
    targets = predictions if target == "prediction" else labels
    pixel_box = scales.box(inputs) if box else None
    parts = [
        _attack_batch(network, attack, batch, labels[_rows(batch)], radii, ceiling)
        for batch in attack.batches(network, inputs, targets, seed, batch_size, pixel_box)
    ]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    start = {"sample": np.arange(len(inputs)), "label": labels.cpu().numpy()}
    return {**start, "prediction": predictions.cpu().numpy(), **columns}


def verify(
    network: nn.Module,
    attack: Attack,
    batch: Batch,
    perturbed: Tensor,
    claimed: Tensor,
    radius: float,
) -> None:
    """Check in float32 that all perturbations are in the ball and all claimed adversarials are.

    Args:
        network: the network itself, without the box.
        attack: names the norm and the attack in the error.
        batch: the clean inputs, the targets and the box.
        perturbed: what the attack returned (N, C, H, W).
        claimed: which of them are reported as adversarial (N,), bool.
        radius: the threshold in the attack's norm; infinite for a smallest adversarial.

    Raises:
        AttackViolation: names the attack and the first offending sample.
    """
    sizes = norms(perturbed.float() - batch.inputs.float(), attack.norm)
    outside = ~(sizes <= radius * (1 + TOLERANCE))
    _raise_first(attack, batch, outside, f"leaves the ball of radius {radius:g}")
    if batch.box is not None:
        excess = (perturbed - torch.clamp(perturbed, *batch.box)).flatten(1).abs().amax(dim=1)
        _raise_first(attack, batch, excess > 0, "leaves the pixel box")
    rows = claimed.nonzero().flatten()
    if len(rows):
        predictions, _ = predict(network, perturbed[rows].float(), len(rows))
        unchanged = torch.zeros_like(claimed)
        unchanged[rows] = predictions == batch.targets[rows]
        _raise_first(attack, batch, unchanged, "is reported as adversarial and is not")


def predict(network: nn.Module, inputs: Tensor, batch_size: int) -> tuple[Tensor, Tensor]:
    """Return predictions (N,) and logits (N, K), in float32."""
    with torch.no_grad(), torch.autocast(inputs.device.type, enabled=False):
        logits = torch.cat([network(part) for part in inputs.split(batch_size)])
    return logits.argmax(dim=1), logits


def first_order(
    network: nn.Module, inputs: Tensor, labels: Tensor, radius: float, norm: Norm
) -> Tensor:
    """Return the first-order damage ``epsilon_p * ||dL/dx||_q`` per sample (Lemma 2), (N,)."""
    gradient = loss_gradient(network, inputs, labels)[1].flatten(1)
    return radius * torch.linalg.vector_norm(gradient, ord=1 if norm == "linf" else 2, dim=1)


def check_request(
    inputs: Tensor,
    thresholds: Sequence[float],
    normalisation: Normalisation | None,
    units: EpsilonUnits,
    box: bool,
) -> None:
    """Raise ValueError for a request that has no answer."""
    if inputs.dtype != torch.float32:
        raise ValueError(f"attacks are evaluated in float32, the inputs are {inputs.dtype}")
    if min(thresholds) < 0:
        raise ValueError(f"a threshold is negative: {min(thresholds)}")
    if normalisation is None and (units == "pixel" or box):
        raise ValueError("pixel units and the pixel box need the normalisation")


def default_ceiling(inputs: Tensor, normalisation: Normalisation | None) -> float:
    """Return the range of the pixels, in normalised units, or the range of the inputs."""
    if normalisation is None:
        return float(inputs.amax() - inputs.amin())
    return 1.0 / normalisation.scale


def _attack_batch(
    network: nn.Module,
    attack: Attack,
    batch: Batch,
    labels: Tensor,
    radii: Sequence[float],
    ceiling: float,
) -> Rows:
    found = attack.find(batch, radii, ceiling)
    success = [batch.is_adversarial(perturbed) for perturbed in found.at_thresholds]
    for perturbed, claimed, radius in zip(found.at_thresholds, success, radii, strict=True):
        verify(network, attack, batch, perturbed, claimed, radius)
    has_smallest = batch.is_adversarial(found.smallest)
    verify(network, attack, batch, found.smallest, has_smallest, math.inf)
    outcomes = [predict(network, perturbed, len(labels)) for perturbed in found.at_thresholds]
    losses = [functional.cross_entropy(o[1], labels, reduction="none") for o in outcomes]
    return _columns(network, attack, batch, labels, radii[0], found.at_thresholds[0]) | {
        "adversarial_prediction": outcomes[0][0].cpu().numpy(),
        "adversarial_loss": losses[0].cpu().numpy(),
        "adversarial_predictions": torch.stack([o[0] for o in outcomes], dim=1).cpu().numpy(),
        "adversarial_losses": torch.stack(losses, dim=1).cpu().numpy(),
        "norm_linf": _norm_column(found.smallest - batch.inputs, has_smallest, "linf"),
        "norm_l2": _norm_column(found.smallest - batch.inputs, has_smallest, "l2"),
        "success": torch.stack(success, dim=1).cpu().numpy(),
    }


def _columns(
    network: nn.Module,
    attack: Attack,
    batch: Batch,
    labels: Tensor,
    radius: float,
    perturbed: Tensor,
) -> Rows:
    _, logits = predict(network, batch.inputs, len(labels))
    signal, noise = l2_norm(batch.inputs), l2_norm(perturbed - batch.inputs)
    columns = {
        "loss": functional.cross_entropy(logits, labels, reduction="none"),
        "first_order": first_order(network, batch.inputs, labels, radius, attack.norm),
        "snr_db": 20 * torch.log10(signal / noise),
    }
    return {name: values.cpu().numpy() for name, values in columns.items()}


def _norm_column(perturbation: Tensor, found: Tensor, norm: Norm) -> np.ndarray:
    return torch.where(found, norms(perturbation, norm), math.nan).cpu().numpy()


def _rows(batch: Batch) -> slice:
    return slice(batch.first, batch.first + len(batch.inputs))


def _raise_first(attack: Attack, batch: Batch, offending: Tensor, what: str) -> None:
    if offending.any():
        sample = batch.first + int(offending.nonzero()[0])
        raise AttackViolation(f"{attack.name}: the perturbed sample {sample} {what}")
