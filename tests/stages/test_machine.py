"""What a stage's process loads: every cell starts some, so each second counts."""

import subprocess
import sys

import pytest

SLOW = ("torch._dynamo", "torch._inductor", "sympy")
TRAINING = """
from advdim.stages.machine import reproducible
from advdim.training.descent import Descent
import torch
reproducible(1)
network = torch.nn.Linear(2, 2)
descent = Descent(network.parameters(), 0.9, 0.0)
network(torch.ones(1, 2)).sum().backward()
descent.step(0.1)
assert torch.are_deterministic_algorithms_enabled()
assert torch.is_deterministic_algorithms_warn_only_enabled()
"""
BOUNDS = """
from advdim.bounds import lower_bounds
from advdim.stages.machine import reproducible
import torch
from torch import nn
reproducible(1)
network = nn.Sequential(
    nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(32, 4), nn.ReLU(), nn.Linear(4, 3),
)
assert (lower_bounds(network, torch.randn(2, 1, 8, 8)).sound > 0).all()
"""

# A penalty on gradients differentiates twice, which no fused attention can.
ATTENTION = """
from advdim.stages.machine import reproducible
import torch
reproducible(1)
layer = torch.nn.TransformerEncoderLayer(8, 2, dropout=0.0, batch_first=True)
inputs = torch.randn(2, 3, 8, requires_grad=True)
(gradient,) = torch.autograd.grad(layer(inputs).square().sum(), inputs, create_graph=True)
gradient.square().sum().backward()
assert layer.self_attn.in_proj_weight.grad.abs().sum() > 0
"""


@pytest.mark.parametrize(
    "code", [TRAINING, BOUNDS, ATTENTION], ids=["training", "bounds", "attention"]
)
def test_neither_a_compiler_nor_symbolic_algebra_is_loaded(code):
    code += (
        f"import sys; sys.exit(', '.join(name for name in {SLOW} if name in sys.modules) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
