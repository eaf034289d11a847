"""What a network answers: predictions and losses, none in NaN, and what is no answer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

# Of images whose logits are not all finite: it differs from every class.
NO_PREDICTION = -1
# AutoAttack's: of a sum of 1, and of normalised logits.
PROBABILITY_TOLERANCE = 1e-5
RANDOM_TOLERANCE = 1e-4


def predicted(logits: torch.Tensor) -> torch.Tensor:
    """Return the predicted classes (N,) of logits (N, K), NO_PREDICTION where one is not finite."""
    return logits.argmax(1).masked_fill(~answered(logits), NO_PREDICTION)


def answered(logits: torch.Tensor) -> torch.Tensor:
    """Tell for which images all logits are finite, (N,)."""
    return torch.isfinite(logits).all(1)


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the loss of each image in nats, (N,), NaN where a logit is not finite."""
    losses = F.cross_entropy(logits, labels, reduction="none")
    return losses.masked_fill(~answered(logits), torch.nan)


def is_random(answers: Sequence[torch.Tensor]) -> bool:
    """Tell whether logits (N, K), asked for repeatedly, differ beyond rounding.

    Of each image they are compared after division by their l2 norm.
    """
    unit = [a / (torch.linalg.vector_norm(a, dim=1, keepdim=True) + 1e-10) for a in answers]
    differences = [torch.linalg.vector_norm(u - unit[0], dim=1) for u in unit[1:]]
    # NaN, which is not finite already, exceeds nothing
    return bool((torch.stack(differences) > RANDOM_TOLERANCE).any())


def are_probabilities(logits: torch.Tensor) -> bool:
    """Tell whether all answers (N, K) are probabilities: not negative, with a sum of 1."""
    sums = (logits.sum(1) - 1).abs() < PROBABILITY_TOLERANCE
    return bool(sums.all() and (logits > -PROBABILITY_TOLERANCE).all())
