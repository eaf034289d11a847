"""What a network answers: predictions and losses, and that there are none in NaN."""

from __future__ import annotations

import torch
import torch.nn.functional as F

# Of images whose logits are not all finite: it differs from every class.
NO_PREDICTION = -1


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
