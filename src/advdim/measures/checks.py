"""Whether a network is one whose numbers can be trusted: flags of ``advdim.measures.flags``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from advdim.measures.flags import NOT_FINITE, PROBABILITIES, RANDOM, SENTENCES, ZERO_GRADIENTS
from advdim.networks.answers import answered, predicted
from advdim.networks.perturbations import loss_gradient

# Those of the reference's checks: of a sum of 1, of normalised logits, of images.
PROBABILITY_TOLERANCE = 1e-5
RANDOM_TOLERANCE = 1e-4
BLACK_BOX_SHARE = 0.002
REPEATS = 5


def network_flags(network: nn.Module, inputs: torch.Tensor, batch_size: int) -> list[str]:
    """Return the names of what is wrong with a network's answers to inputs (N, C, H, W).

    The network is in evaluation mode. Randomness is looked for in the first batch.
    """
    found: set[str] = set()
    for part in inputs.split(batch_size):
        with torch.no_grad():
            logits = network(part)
        finite = answered(logits)
        if not finite.all():
            found.add(NOT_FINITE)
        rows = finite.nonzero().flatten()
        if len(rows):
            _, gradient = loss_gradient(network, part[rows], predicted(logits)[rows])
            if (gradient.flatten(1) == 0).all(1).any():
                found.add(ZERO_GRADIENTS)
    first = inputs[:batch_size]
    answers = _answers(network, first)
    if is_random(answers):
        found.add(RANDOM)
    if are_probabilities(answers[0]):
        found.add(PROBABILITIES)
    return ordered(found)


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


def beaten_by_black_box(found_by: Sequence[str], black_box: str) -> bool:
    """Tell whether the member without gradients broke more than a few images that were left."""
    return found_by.count(black_box) > BLACK_BOX_SHARE * len(found_by)


def ordered(flags: set[str]) -> list[str]:
    """Return flags in the order in which they are declared."""
    return [name for name in SENTENCES if name in flags]


def _answers(network: nn.Module, inputs: torch.Tensor) -> list[torch.Tensor]:
    with torch.no_grad():
        return [network(inputs) for _ in range(REPEATS)]
