from advdim.config import load
from advdim.results import all_results
from advdim.sweep import Cell, experiments_by_cell, prepared_pixels, training_settings


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


def test_a_cell_is_read_from_its_wildcards_however_its_epsilon_is_spelled():
    cell = Cell("digits", "maxpool4", 8, "pgd_linf", "0.01", 0)
    assert Cell.from_mapping(cell.wildcards()) == cell
    assert Cell.from_mapping({**cell.wildcards(), "epsilon": "1e-2", "attack": "fgsm"}) == cell


def test_what_fresh_networks_name_twice_is_made_once(raw_config):
    once = load(raw_config)
    fresh = raw_config["initialisation"]["fresh"]
    fresh |= {"networks": ["maxpool4"] * 2, "sizes": [8, 16, 8], "seeds": [0, 1, 0]}
    twice = load(raw_config)
    assert twice == once
    assert list(all_results(twice)) == list(all_results(once))


def test_pixels_of_cells_and_of_fresh_networks_are_prepared_once(raw_config):
    raw_config["initialisation"]["fresh"]["sizes"] = [16, 24]
    pixels = prepared_pixels(load(raw_config))
    assert pixels == [("digits", 8), ("digits", 16), ("digits", 24)]


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
