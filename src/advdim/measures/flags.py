"""What makes numbers untrustworthy, by name and in a sentence; imports no torch.

After the checks of the reference AutoAttack (Croce and Hein, 2020, arXiv:2003.01690) and the
advice of Carlini et al. (2019, arXiv:1902.06705).
"""

from __future__ import annotations

PROBABILITIES = "probabilities"
RANDOM = "random"
NOT_FINITE = "not_finite"
ZERO_GRADIENTS = "zero_gradients"
ROUNDED_GRADIENTS = "rounded_gradients"
BLACK_BOX = "black_box"

SENTENCES = {
    PROBABILITIES: "The network answers with probabilities where logits are expected: its losses "
    "and gradients are not those of a cross-entropy, and attacks on them are weak.",
    RANDOM: "The network answers differently when it is asked again: attacks that do not average "
    "over its answers are weak, and adversarials may not stay any.",
    NOT_FINITE: "Some logits are infinite or not a number: images that have a prediction and lose "
    "it under attack count as changed, those without one before are left out of vulnerability; "
    "neither have a loss, so that damage is unknown.",
    ZERO_GRADIENTS: "The gradient of the loss is exactly zero at some images: attacks that follow "
    "it cannot begin there, and vulnerability and gradient norms are too small.",
    ROUNDED_GRADIENTS: "The network is so sure of more than 1 % of the images that float32 rounds "
    "the gradient of their loss: gradient norms are off there, and attacks that follow it (FGSM, "
    "PGD) are weak; DeepFool, FMN and AutoAttack are not.",
    BLACK_BOX: "An attack without gradients broke images that those with gradients had left: "
    "gradients are masked, and the vulnerability is larger than what was found.",
}
