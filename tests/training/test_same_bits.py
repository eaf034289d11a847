"""Every kind of network trains, as in a stage, without sums in an order of chance."""

import warnings

import pytest
import torch
from tests.training.conftest import POOLED
from torch.backends import cuda

from advdim.config.architectures import (
    FullyConnectedNetwork,
    MixerNetwork,
    ResidualNetwork,
    VisionTransformerNetwork,
)
from advdim.config.convolutional import ConvolutionalNetwork
from advdim.config.lenet import LenetNetwork
from advdim.stages.machine import reproducible

TOKENS = {"patches": 4, "width": 8, "layers": 1}
ARCHITECTURES = {
    "max pool": POOLED,
    "average pool": ConvolutionalNetwork(
        layers=2, width=4, pool="average", pool_after=[2], head="global_average"
    ),
    "lenet": LenetNetwork(kind="lenet", channels=[4, 4], kernel=3, hidden=[8]),
    "fully connected": FullyConnectedNetwork(kind="fully_connected", layers=1, width=8),
    "residual": ResidualNetwork(kind="residual", widths=[8, 16]),
    "vision transformer": VisionTransformerNetwork(kind="vision_transformer", heads=2, **TOKENS),
    "mixer": MixerNetwork(kind="mixer", **TOKENS),
}


@pytest.fixture
def as_in_a_stage(monkeypatch):
    """Compute as a stage does; where it would warn that sums have no fixed order, raise."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    reproducible(1)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*determinis")
        yield
    torch.set_deterministic_debug_mode("default")
    for enable in (cuda.enable_flash_sdp, cuda.enable_mem_efficient_sdp, cuda.enable_cudnn_sdp):
        enable(True)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("method", ["pgd_linf", "grad_l1", "grad_l2", "cross_lipschitz"])
def test_a_network_of_any_kind_ends_with_the_same_bits_twice(
    cell, device, as_in_a_stage, method, architecture
):
    made = [cell(method, ARCHITECTURES[architecture], device, recorded=True) for _ in range(2)]
    rows, others = ([{**row, "seconds": 0} for row in one.train().rows] for one in made)
    assert rows == others
    assert rows[-1]["epoch"] == 1
    states = (one.network.state_dict() for one in made)
    assert all(torch.equal(*pair) for pair in zip(*(s.values() for s in states), strict=True))
