"""The images that the figure of adversarial examples shows."""

import pytest
from torch import nn

from advdim.config import load
from advdim.data.prepare import prepare
from advdim.stages.attack import configured_attack
from advdim.stages.examples import _examples
from advdim.sweep import experiments_by_cell, table_settings


@pytest.mark.parametrize("attack", ["autoattack_linf", "fmn_linf", "pgd_linf"])
def test_whichever_attack_shows_examples_finds_them(raw_config, attack):
    raw_config["attacks"]["options"] |= {"autoattack_linf": {"steps": 5, "queries": 10}}
    raw_config["attacks"]["examples"]["images"] = 6
    config = load(raw_config)
    pixels, _ = prepare(config.datasets["digits"], "digits", 8)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()
    cell = next(iter(experiments_by_cell(config)))
    rows = list(
        _examples(
            config, cell, configured_attack(config, attack), network, pixels,
            pixels.normalisation, "cpu",
        )
    )  # fmt: skip
    assert [row["found"] for row in rows] == [True] * 6
    assert all(row["norm_linf"] > 0 for row in rows)


def test_examples_are_made_again_for_another_threshold_of_a_network(raw_config):
    before = table_settings(load(raw_config), "examples")
    raw_config["attacks"]["threshold_by_network"] = {"maxpool4": 0.2}
    assert table_settings(load(raw_config), "examples") != before
