"""Whether a network is one whose numbers can be trusted: flags of ``advdim.measures.flags``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from advdim.measures.flags import (
    NOT_FINITE,
    PROBABILITIES,
    RANDOM,
    ROUNDED_GRADIENTS,
    SENTENCES,
    ZERO_GRADIENTS,
)
from advdim.networks.answers import answered, are_probabilities, is_random, predicted
from advdim.networks.perturbations import loss_gradient

# Of the images; the reference's check.
BLACK_BOX_SHARE = 0.002
ROUNDED_SHARE = 0.01
# Of the prediction, in nats: below, softmax less 1 is a float32's last digit or two, or 0.
ROUNDED_LOSS = 1e-7
REPEATS = 5


def network_flags(network: nn.Module, inputs: torch.Tensor, batch_size: int) -> list[str]:
    """Return the names of what is wrong with a network's answers to inputs (N, C, H, W).

    The network is in evaluation mode. Randomness is looked for in the first batch.
    """
    found: set[str] = set()
    sure = 0
    for part in inputs.split(batch_size):
        with torch.no_grad():
            logits = network(part)
        finite = answered(logits)
        if not finite.all():
            found.add(NOT_FINITE)
        rows = finite.nonzero().flatten()
        if len(rows):
            known = logits[rows], predicted(logits)[rows]
            _, gradient = loss_gradient(network, part[rows], known[1])
            if (gradient.flatten(1) == 0).all(1).any():
                found.add(ZERO_GRADIENTS)
            sure += int((F.cross_entropy(*known, reduction="none") < ROUNDED_LOSS).sum())
    if sure > ROUNDED_SHARE * len(inputs):
        found.add(ROUNDED_GRADIENTS)
    first = inputs[:batch_size]
    answers = _answers(network, first)
    if is_random(answers):
        found.add(RANDOM)
    if are_probabilities(answers[0]):
        found.add(PROBABILITIES)
    return ordered(found)


def beaten_by_black_box(found_by: Sequence[str], black_box: str) -> bool:
    """Tell whether the member without gradients broke more than a few images that were left."""
    return found_by.count(black_box) > BLACK_BOX_SHARE * len(found_by)


def ordered(flags: set[str]) -> list[str]:
    """Return flags in the order in which they are declared."""
    return [name for name in SENTENCES if name in flags]


def _answers(network: nn.Module, inputs: torch.Tensor) -> list[torch.Tensor]:
    with torch.no_grad():
        return [network(inputs) for _ in range(REPEATS)]
