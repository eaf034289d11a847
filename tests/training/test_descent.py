"""The optimiser's steps beside those of torch.optim.SGD, bit for bit."""

import copy

import pytest
import torch

from advdim.training.descent import Descent


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_steps_are_those_of_the_library(momentum, weight_decay):
    torch.manual_seed(0)
    ours = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.Flatten(), torch.nn.Linear(12, 2))
    # Of a parameter without a gradient neither moves anything.
    ours[0].bias.requires_grad_(False)
    theirs = copy.deepcopy(ours)
    descent = Descent(ours.parameters(), momentum, weight_decay)
    library = torch.optim.SGD(theirs.parameters(), 0.1, momentum, weight_decay=weight_decay)
    for rate in (0.1, 0.1, 0.05, 0.025):
        inputs = torch.randn(4, 1, 4, 4)
        for network, forget in ((ours, descent.forget_gradients), (theirs, library.zero_grad)):
            forget()
            network(inputs).square().sum().backward()
        descent.step(rate)
        library.param_groups[0]["lr"] = rate
        library.step()
        for left, right in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(left, right)


def test_a_parameter_left_out_of_a_step_keeps_its_velocity():
    weights = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    descent = Descent(weights, 0.9, 0.0)
    for used in ([0, 1], [0], [0, 1]):
        descent.forget_gradients()
        sum(weights[i].sum() for i in used).backward()
        descent.step(1.0)
    # Velocities 1, 1.9, 2.71 against 1, 1.9.
    assert weights[0].tolist() == pytest.approx([1 - 5.61] * 2)
    assert weights[1].tolist() == pytest.approx([1 - 2.9] * 2)
