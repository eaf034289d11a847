from dataclasses import asdict
from types import SimpleNamespace

from snakemake.utils import Paramspace

from advdim.config import load
from advdim.sweep import Cell, cell_table, experiments_by_cell, training_settings


def test_strength_zero_is_one_unregularised_cell(raw_config):
    experiment = raw_config["experiments"]["regularisation"]
    experiment["epsilons"] = [0, "1e-2", 0.01, "0.0100"]
    cells = [c for c in experiments_by_cell(load(raw_config)) if c.network == "strided4"]
    assert [(c.method, c.epsilon) for c in cells] == [
        ("none", "0"),
        ("grad_l1", "0.01"),
        ("pgd_linf", "0.01"),
    ]


def test_experiments_share_a_cell(raw_config):
    raw_config["experiments"]["again"] = {**raw_config["experiments"]["dimension"], "sizes": [16]}
    shared = experiments_by_cell(load(raw_config))
    assert len(shared) == 7
    assert sorted(names for names in shared.values() if len(names) > 1) == [
        ["dimension", "again"],
        ["dimension", "again"],
    ]


def test_directories_are_the_workflow_partitions(raw_config):
    config = load(raw_config)
    patterns = list(Paramspace(cell_table(config), param_sep="=").instance_patterns)
    cells = list(experiments_by_cell(config))
    assert patterns == [cell.directory for cell in cells]
    wildcards = SimpleNamespace(**{key: str(value) for key, value in asdict(cells[1]).items()})
    assert Cell.from_wildcards(wildcards) == cells[1]


def test_settings_of_a_cell_follow_its_own_method_only(raw_config):
    before = load(raw_config)
    raw_config["methods"]["pgd_linf"]["steps"] = 5
    after = load(raw_config)
    changed = [
        cell.method
        for cell in experiments_by_cell(before)
        if training_settings(before, cell) != training_settings(after, cell)
    ]
    assert set(changed) == {"pgd_linf"}
