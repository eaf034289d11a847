import pytest
import torch
import yaml
from torch import nn

from advdim.config import load
from advdim.networks.build import Shape, build
from advdim.planning.costs import (
    GROUPS,
    attack_passes,
    footprint,
    groups_of_cells,
    resources_of,
    training_seconds,
)
from advdim.results import Result, all_results
from advdim.streams import stream
from advdim.sweep import Cell, experiments_by_cell
from tests.workflow.conftest import ROOT


def cell_of(config, size, method="pgd_linf"):
    return Cell("digits", "maxpool4", size, method, "0.01", 0)


def request(config, cell, stage="train", attempt=1, **options):
    values = {**cell.wildcards(), "attack": "pgd_linf"}
    return resources_of(config, Result.of(stage, values), attempt, **options)


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
        once, twice = (request(config, cell, attempt=attempt)["mem_mb"] for attempt in (1, 2))
        assert twice >= 2 * once - 1


def test_every_result_asks_for_more_at_each_attempt(raw_config):
    config = load({**raw_config, "multiply_adds_per_second": 1e5})
    for result in all_results(config):
        first, second = (resources_of(config, result, attempt) for attempt in (1, 2))
        assert second["runtime"] >= 2 * first["runtime"] - 1
        assert second["mem_mb"] >= first["mem_mb"] > 0
        assert first["gpu_mb"] > 0 or result.stage in {"pixels", "bounds"}
        on_cpu = load({**raw_config, "device": "cpu"})
        assert resources_of(on_cpu, result, 1)["gpu_mb"] == 0


def test_requests_grow_until_the_last_start_that_works(raw_config):
    """One more start may only find that all before it were killed."""
    config = load({**raw_config, "multiply_adds_per_second": 1e5})
    for result in all_results(config):
        first, third, fourth = (resources_of(config, result, attempt) for attempt in (1, 3, 4))
        assert fourth == third
        assert third["runtime"] >= 3 * first["runtime"] - 3


def test_larger_batches_of_attacks_ask_for_more_memory(raw_config):
    raw_config["datasets"]["digits"]["test_images"] = 500
    found = []
    for images in (32, 400, 5000):
        raw_config["attacks"] |= {"batch_size": images, "images": None}
        config = load(raw_config)
        found.append(
            [request(config, cell_of(config, 16), s)["mem_mb"] for s in ("train", "attack")]
        )
    (train, small), (_, large), (_, all_images) = found
    assert small < large < all_images
    assert {of_train for of_train, _ in found} == {train}
    # no more images than there are
    assert (all_images - 1500) / (large - 1500) < 500 / 400


def test_smaller_batches_of_measurements_ask_for_less_of_a_gpu():
    def megabytes(**measurement):
        raw = yaml.safe_load((ROOT / "config/presets/paper.yaml").read_text())
        raw["device"] = "cuda"
        raw["networks"]["maxpool8"]["training"]["measurement"] |= measurement
        config = load(raw)
        cell = Cell("cifar10", "maxpool8", 256, "pgd_linf", "0.01", 0)
        return request(config, cell)["gpu_mb"], request(config, cell, "attack")["gpu_mb"]

    usual, attack = megabytes()
    # Of 22 million activations an image, 256 in a measurement and 32 in a step.
    assert 60_000 < usual < 90_000
    assert megabytes(batch_size=32) < (usual / 3, attack + 1)
    assert megabytes(batch_size=32)[1] == attack < 13_000


@pytest.mark.parametrize("device", ["cpu", "auto", "cuda"])
def test_activations_on_a_gpu_take_no_memory_of_its_host(raw_config, device):
    def megabytes(width):
        raw_config["networks"]["maxpool4"]["width"] = width
        config = load({**raw_config, "device": device})
        results = {r.stage: r for r in all_results(config) if "strided4" not in r.name}
        return {stage: resources_of(config, r, 1)["mem_mb"] for stage, r in results.items()}

    narrow, wide = megabytes(4), megabytes(4096)
    larger = {stage for stage in narrow if wide[stage] > narrow[stage]}
    assert larger == ({"bounds"} if device == "cuda" else set(narrow) - {"pixels"})


def test_a_method_with_a_graph_per_class_asks_for_more_memory(raw_config):
    raw_config["networks"]["maxpool4"]["width"] = 256
    config = load(raw_config)
    plain, usual, classes = (
        request(config, cell_of(config, 16, method))["mem_mb"]
        for method in ("none", "grad_l1", "cross_lipschitz")
    )
    assert plain == usual < classes


def test_fresh_networks_ask_for_memory_by_size_batch_and_attempt(raw_config):
    raw_config["networks"]["maxpool4"]["width"] = 1024

    def megabytes(batch_size, size, attempt):
        raw_config["initialisation"]["fresh"] |= {"batch_size": batch_size, "sizes": [8, size]}
        config = load(raw_config)
        result = Result("initialisation", ("fresh", "maxpool4"))
        return resources_of(config, result, attempt)["mem_mb"]

    small = megabytes(16, 16, 1)
    assert small < min(megabytes(64, 16, 1), megabytes(16, 32, 1))
    assert megabytes(16, 16, 2) >= 2 * small - 1


def test_members_of_a_group_share_the_time_that_a_job_takes_to_start(raw_config):
    config = load({**raw_config, "multiply_adds_per_second": 1e12})
    cell = cell_of(config, 8)
    alone = {stage: request(config, cell, stage)["runtime"] for stage in ("train", "attack")}
    assert min(alone.values()) > 5
    member = {
        stage: request(config, cell, stage, alone=False)["runtime"]
        for stage in ("train", "attack", "bounds")
    }
    assert member == {"train": 3, "attack": 1, "bounds": 1}


def test_many_fresh_networks_ask_for_more_time(raw_config):
    def runtime(seeds, rate):
        raw_config["initialisation"]["fresh"]["seeds"] = seeds
        config = load({**raw_config, "multiply_adds_per_second": rate})
        (result, *_) = [r for r in all_results(config) if r.stage == "initialisation"]
        return resources_of(config, result, 1)["runtime"]

    assert 5 < runtime(1, 1e12) < 10
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


def test_a_step_of_deepfool_is_a_gradient_per_class(raw_config):
    cell = next(iter(experiments_by_cell(load(raw_config))))

    def passes(**options):
        raw_config["attacks"] |= {"options": {"deepfool_l2": options}, "images": 1}
        return attack_passes(load(raw_config), cell, "deepfool_l2")

    assert passes() == passes(steps=50) == 500
    assert passes(steps=5) == 50


@pytest.mark.parametrize("stage", ["attack", "bounds"])
def test_attacks_and_bounds_ask_for_all_their_inputs_and_a_copy(raw_config, stage):
    def extra(images, size=256):
        raw_config["datasets"]["digits"] |= {"test_images": 450}
        raw_config["attacks"] |= {"batch_size": 8, "images": images}
        raw_config["bounds"] = {"images": images}
        config = load({**raw_config, "device": "cpu"})
        return request(config, cell_of(config, size), stage)["mem_mb"]

    # in float32, as first_inputs makes them and puts them together
    each = 2 * 4 * 256**2 / 1e6
    assert extra(400) - extra(200) == pytest.approx(200 * each, abs=2)
    assert extra(None) - extra(400) == pytest.approx(50 * each, abs=2)


def test_inputs_on_a_gpu_take_no_memory_of_its_host(raw_config):
    raw_config["datasets"]["digits"]["test_images"] = 450

    def asked(images):
        raw_config["attacks"] |= {"batch_size": 8, "images": images}
        config = load({**raw_config, "device": "cuda"})
        return request(config, cell_of(config, 64), "attack")

    few, many = asked(100), asked(400)
    assert many["gpu_mb"] > few["gpu_mb"]
    assert many["mem_mb"] == few["mem_mb"]
