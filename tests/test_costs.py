import torch
from torch import nn

from advdim.config import load
from advdim.costs import footprint, memory_megabytes, runtime_minutes, training_seconds
from advdim.networks.build import Shape, build
from advdim.streams import stream
from advdim.sweep import Cell, experiments_by_cell


def cell_of(config, size, method="pgd_linf"):
    return Cell("digits", "maxpool4", size, method, "0.01", 0)


def test_multiply_adds_are_those_of_the_built_network(raw_config):
    config, counted = load(raw_config), 0

    def count(module: nn.Conv2d, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal counted
        counted += output[0].numel() * module.weight[0].numel()

    network = build(config.networks["maxpool4"], Shape(1, 16, 10), stream()).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    network(torch.zeros(1, 1, 16, 16))
    assert footprint(config, cell_of(config, 16)).multiply_adds == counted


def test_requests_grow_with_size_epochs_and_attempt(raw_config):
    # So slow that arithmetic outweighs what a pass costs on top.
    raw_config["multiply_adds_per_second"] = 1e6
    config = load(raw_config)
    raw_config["training"]["epochs"] = 30
    longer = load(raw_config)
    small, large = cell_of(config, 8), cell_of(config, 16)
    assert training_seconds(config, large) > 3 * training_seconds(config, small)
    assert training_seconds(longer, small) > 3 * training_seconds(config, small)
    for cell in experiments_by_cell(config):
        assert runtime_minutes(config, cell, 2) >= 2 * 10
        assert memory_megabytes(config, cell, 2) >= 2 * memory_megabytes(config, cell, 1) - 1
