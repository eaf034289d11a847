"""One attack on one network, per sample, re-verified."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from advdim.attacks.base import Attack, Batch, find_adversarials, replaced
from advdim.measures.checks import beaten_by_black_box, network_flags, ordered
from advdim.measures.flags import BLACK_BOX, NOT_FINITE, RANDOM
from advdim.networks.answers import NO_PREDICTION, cross_entropy, predicted
from advdim.networks.perturbations import DUAL, ORDERS, Norm, loss_gradient, norms
from advdim.units import Normalisation, threshold

Rows = dict[str, np.ndarray]
TOLERANCE = 1e-5


class AttackViolation(RuntimeError):
    """An attack reported an adversarial that is none, or that lies outside its ball."""


def evaluate_attack(
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    attack: Attack,
    threshold_inf: float,
    thresholds: Sequence[float] = (),
    *,
    normalisation: Normalisation | None = None,
    box: bool = False,
    ceiling_inf: float | None = None,
    seed: int = 0,
    batch_size: int = 32,
) -> Rows:
    """Attack every sample and return the per-sample columns of the ``attacks`` table.

    The attack moves away from the *prediction*, right or wrong: its success is the vulnerability of
    Definition 1 (ICML 2019). Where the prediction is wrong, and only there, attacks that can raise
    the loss of the label do so as well; where it is right, both attacks are one. Damage and
    first-order damage are about the label's loss (Lemma 2). Thresholds are given for the l-inf norm
    and converted by ``epsilon_p = epsilon_inf * d^(1/p)`` (Eq. 3). An image without finite logits
    has no prediction, NO_PREDICTION in the columns, and no loss, NaN: one that loses its prediction
    under attack has changed, one that has none from the start is not attacked.

    Args:
        network: maps normalised float32 inputs to logits; in evaluation mode.
        inputs: normalised inputs (N, C, H, W), float32.
        labels: classes (N,), int64.
        attack: an attack of the registry.
        threshold_inf: of the table's loss, prediction and noise columns; normalised units.
        thresholds: further ones, at which success is reported.
        normalisation: needed for the box.
        box: clip to pixels in [0, 1].
        ceiling_inf: largest threshold in the search for the smallest adversarial; by default the
            range of the pixels, or of the inputs where no normalisation is given.
        seed: seed of all random numbers.
        batch_size: samples at once; no influence on the result. On a CPU about 32 is fastest.

    Returns:
        Arrays of length N: ``sample``, ``label``, ``prediction``, ``adversarial_prediction``,
        ``norm_linf``, ``norm_l2`` (of the smallest adversarial found in the attack's norm,
        normalised units, NaN if none), ``loss`` and ``adversarial_loss`` (of the label, the second
        under the attack on it), ``ascended`` (whether that attack raises the loss of this image),
        ``first_order`` (``epsilon_p * ||dL/dx||_q``, Lemma 2), ``snr_db``
        (``20 log10 ||x||_2 / ||delta||_2`` at the threshold, Appendix C; infinite without
        perturbation), and of shape (N, 1 + number of thresholds), at ``threshold_inf`` and each of
        ``thresholds``: ``success``, ``adversarial_predictions``, ``adversarial_losses``, and
        ``label_attack_predictions``, under the attack on the label's loss. ``flags`` lists, the
        same for all, what makes the numbers untrustworthy (``advdim.measures.flags``).

    Raises:
        AttackViolation: a reported adversarial failed its verification.
        ValueError: a threshold is negative, a normalisation is missing, inputs are not float32.
    """
    check_request(inputs, (threshold_inf, *thresholds), normalisation, box)
    dimension = inputs[0].numel()
    if ceiling_inf is None:
        ceiling_inf = default_ceiling(inputs, normalisation)
    order = ORDERS[attack.norm]
    radii = [threshold(value, dimension, order) for value in (threshold_inf, *thresholds)]
    ceiling = threshold(ceiling_inf, dimension, order)
    predictions = predict(network, inputs, batch_size)[0]
    pixel_box = normalisation.box(inputs) if normalisation and box else None
    flags = network_flags(network, inputs, batch_size)
    random = RANDOM in flags
    parts = [
        _attack_batch(network, attack, batch, labels[_rows(batch)], radii, ceiling, random)
        for batch in attack.batches(network, inputs, predictions, seed, batch_size, pixel_box)
    ]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    found_by = columns.pop("found_by").tolist()
    columns["flags"] = np.empty(len(inputs), dtype=object)
    columns["flags"][:] = [_all_flags(flags, attack, columns, found_by)] * len(inputs)
    start = {"sample": np.arange(len(inputs)), "label": labels.cpu().numpy()}
    return {**start, "prediction": predictions.cpu().numpy(), **columns}


def verify(
    network: nn.Module,
    attack: Attack,
    batch: Batch,
    perturbed: Tensor,
    claimed: Tensor,
    radius: float,
    random: bool = False,
) -> None:
    """Check in float32 that all perturbations are in the ball and all claimed adversarials are.

    Args:
        network: the network itself, without the box.
        attack: names the norm and the attack in the error.
        batch: the clean inputs, the classes to move away from and the box.
        perturbed: what the attack returned (N, C, H, W).
        claimed: which of them are reported as adversarial (N,), bool.
        radius: the threshold in the attack's norm; infinite for a smallest adversarial.
        random: the network's answers are, so that nothing can be said of what it answers now.

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
    if len(rows) and not random:
        predictions, _ = predict(network, perturbed[rows].float(), len(rows))
        unchanged = torch.zeros_like(claimed)
        unchanged[rows] = predictions == batch.away_from[rows]
        _raise_first(attack, batch, unchanged, "is reported as adversarial and is not")


def predict(network: nn.Module, inputs: Tensor, batch_size: int) -> tuple[Tensor, Tensor]:
    """Return predictions (N,) and logits (N, K), in float32."""
    with torch.no_grad(), torch.autocast(inputs.device.type, enabled=False):
        logits = torch.cat([network(part) for part in inputs.split(batch_size)])
    return predicted(logits), logits


def first_order(
    network: nn.Module, inputs: Tensor, labels: Tensor, radius: float, norm: Norm
) -> Tensor:
    """Return the first-order damage ``epsilon_p * ||dL/dx||_q`` per sample (Lemma 2), (N,)."""
    _, gradient = loss_gradient(network, inputs, labels)
    return radius * norms(gradient, DUAL[norm])


def check_request(
    inputs: Tensor,
    thresholds: Sequence[float],
    normalisation: Normalisation | None,
    box: bool,
) -> None:
    """Raise ValueError for a request that has no answer."""
    if inputs.dtype != torch.float32:
        raise ValueError(f"attacks are evaluated in float32, the inputs are {inputs.dtype}")
    if min(thresholds) < 0:
        raise ValueError(f"a threshold is negative: {min(thresholds)}")
    if normalisation is None and box:
        raise ValueError("the pixel box needs the normalisation")


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
    random: bool,
) -> Rows:
    found = find_adversarials(attack, batch, radii, ceiling)
    success = [
        batch.is_adversarial(perturbed) & batch.has_prediction for perturbed in found.at_thresholds
    ]
    for perturbed, claimed, radius in zip(found.at_thresholds, success, radii, strict=True):
        verify(network, attack, batch, perturbed, claimed, radius, random)
    has_smallest = batch.is_adversarial(found.smallest) & batch.has_prediction
    verify(network, attack, batch, found.smallest, has_smallest, math.inf, random)
    ascended = (batch.away_from == labels) | (batch.has_prediction & attack.ascends)
    of_label = _away_from_label(attack, batch, labels, radii, found.at_thresholds)
    for perturbed, radius in zip(of_label, radii, strict=True):
        verify(network, attack, batch, perturbed, torch.zeros_like(ascended), radius)
    predictions = [predict(network, p, len(labels))[0] for p in found.at_thresholds]
    outcomes = [predict(network, perturbed, len(labels)) for perturbed in of_label]
    losses = [cross_entropy(logits, labels) for _, logits in outcomes]
    return _columns(network, attack, batch, labels, radii[0], found.at_thresholds[0]) | {
        "found_by": np.array(found.found_by or [""] * len(labels)),
        "adversarial_prediction": predictions[0].cpu().numpy(),
        "adversarial_loss": losses[0].cpu().numpy(),
        "ascended": ascended.cpu().numpy(),
        "adversarial_predictions": torch.stack(predictions, dim=1).cpu().numpy(),
        "adversarial_losses": torch.stack(losses, dim=1).cpu().numpy(),
        "label_attack_predictions": torch.stack([o[0] for o in outcomes], dim=1).cpu().numpy(),
        "norm_linf": _norm_column(found.smallest - batch.inputs, has_smallest, "linf"),
        "norm_l2": _norm_column(found.smallest - batch.inputs, has_smallest, "l2"),
        "success": torch.stack(success, dim=1).cpu().numpy(),
    }


def _all_flags(
    of_network: Sequence[str], attack: Attack, columns: Rows, found_by: Sequence[str]
) -> list[str]:
    """Return the network's flags, with what showed under attack alone."""
    flags = set(of_network)
    under_attack = ("adversarial_predictions", "label_attack_predictions")
    if any((columns[name] == NO_PREDICTION).any() for name in under_attack):
        flags.add(NOT_FINITE)
    if attack.black_box and beaten_by_black_box(found_by, attack.black_box):
        flags.add(BLACK_BOX)
    return ordered(flags)


def _away_from_label(
    attack: Attack,
    batch: Batch,
    labels: Tensor,
    radii: Sequence[float],
    from_prediction: Sequence[Tensor],
) -> list[Tensor]:
    """Return, per radius, the images under an attack on the loss of the label.

    ``from_prediction`` are those under the attack on the prediction, the same where it is right.
    """
    wrong = (batch.has_prediction & (batch.away_from != labels)).nonzero().flatten()
    part = replace(batch.select(wrong), away_from=labels[wrong])
    perturbed = []
    for radius, known in zip(radii, from_prediction, strict=True):
        moves = attack.ascends and radius > 0 and len(wrong) > 0
        moved = attack.at_threshold(part, radius) if moves else part.inputs
        perturbed.append(replaced(known, wrong, moved))
    return perturbed


def _columns(
    network: nn.Module,
    attack: Attack,
    batch: Batch,
    labels: Tensor,
    radius: float,
    perturbed: Tensor,
) -> Rows:
    _, logits = predict(network, batch.inputs, len(labels))
    signal, noise = norms(batch.inputs, "l2"), norms(perturbed - batch.inputs, "l2")
    columns = {
        "loss": cross_entropy(logits, labels),
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
