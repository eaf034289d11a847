import pytest
import torch
from torch import nn

from advdim.config import load
from advdim.networks.build import Shape, build
from advdim.planning.costs import (
    GROUPS,
    attack_passes,
    footprint,
    groups_of_cells,
    memory_megabytes,
    minutes,
    resources_of,
    training_seconds,
)
from advdim.results import all_results
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
        assert memory_megabytes(config, cell, 2) >= 2 * memory_megabytes(config, cell, 1) - 1


def test_every_result_asks_for_more_at_each_attempt(raw_config):
    config = load({**raw_config, "multiply_adds_per_second": 1e5})
    for result in all_results(config):
        first, second = (resources_of(config, result, attempt) for attempt in (1, 2))
        assert second["runtime"] >= 2 * first["runtime"] - 1
        assert second["mem_mb"] >= first["mem_mb"] > 0
        assert first["gpu_mb"] > 0 or result.stage in {"pixels", "bounds"}
        on_cpu = load({**raw_config, "device": "cpu"})
        assert resources_of(on_cpu, result, 1)["gpu_mb"] == 0
    assert minutes(0, 1) == 5
    assert minutes(600, 3) == 3 * 25


def test_larger_batches_of_attacks_ask_for_more_memory(raw_config):
    raw_config["datasets"]["digits"]["test_images"] = 500
    found = []
    for images in (32, 400, 5000):
        raw_config["attacks"] |= {"batch_size": images, "images": None}
        config = load(raw_config)
        attack = next(result for result in all_results(config) if result.stage == "attack")
        train = next(r for r in all_results(config) if r.stage == "train" and r.cell == attack.cell)
        found.append([resources_of(config, r, 1)["mem_mb"] for r in (train, attack)])
    (train, small), (_, large), (_, all_images) = found
    assert small == train < large < all_images
    assert {of_train for of_train, _ in found} == {train}
    # no more images than there are
    assert (all_images - 1500) / (large - 1500) < 500 / 400


def test_many_fresh_networks_ask_for_more_time(raw_config):
    def runtime(seeds, rate):
        raw_config["initialisation"]["fresh"]["seeds"] = seeds
        config = load({**raw_config, "multiply_adds_per_second": rate})
        (result, *_) = [r for r in all_results(config) if r.stage == "initialisation"]
        return resources_of(config, result, 1)["runtime"]

    assert runtime(1, 1e12) == 60
    few, many = runtime(10, 1e4), runtime(100, 1e4)
    assert (many - 5) / (few - 5) == pytest.approx(10, rel=0.02)


def test_cells_are_grouped_by_the_duration_of_all_that_is_made_of_them(raw_config):
    config = load(raw_config)
    assert set(groups_of_cells(config).values()) == {"seconds"}
    cells = list(experiments_by_cell(config))
    assert list(groups_of_cells(config)) == cells
    found = {
        group
        for rate in (1e8, 1e7, 1e6, 1e5, 1e4)
        for group in groups_of_cells(
            load({**raw_config, "multiply_adds_per_second": rate})
        ).values()
    }
    assert found == {*GROUPS, None}


def test_attacks_lengthen_the_cells_that_they_are_on(raw_config):
    raw_config["experiments"]["dimension"]["attacks"] = ["autoattack_linf"]
    raw_config["attacks"] |= {"images": 32, "options": {"autoattack_linf": {"steps": 10_000}}}
    groups = groups_of_cells(load(raw_config))
    assert {groups[cell] for cell in groups if cell.network == "strided4"} == {"seconds"}
    assert "seconds" not in {groups[cell] for cell in groups if cell.network == "maxpool4"}


def test_restarts_of_pgd_count_and_its_usual_steps_cost_as_much_when_they_are_said(raw_config):
    cell = next(iter(experiments_by_cell(load(raw_config))))

    def passes(**options):
        raw_config["attacks"]["options"] = {"pgd_linf": options}
        return attack_passes(load(raw_config), cell, "pgd_linf")

    assert passes() == passes(steps=20) == passes(restarts=1) == passes(restarts=0)
    assert passes(restarts=50) == 50 * passes()
    assert passes(steps=10) == passes() / 2
