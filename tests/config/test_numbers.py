"""Numbers of a configuration: not finite, truth values, absurd ones, and those written as text."""

import math
import typing

import pytest
import yaml
from pydantic import ValidationError

from advdim.config import ConfigError, load
from advdim.config.base import Settings
from advdim.config.numbers import MOST_SEEDS, as_written, wants_numbers

NUMBER = "must be a number"
FINITE = "must be a finite number"
REFUSED = [
    ("training.learning_rate", ".inf", FINITE),
    ("training.learning_rate", ".nan", FINITE),
    ("training.learning_rate", "1e400", FINITE),
    ("training.epochs", "yes", NUMBER),
    ("training.epochs", "1000000000000", "must be at most"),
    ("training.momentum", "off", NUMBER),
    ("attacks.threshold", ".inf", FINITE),
    ("attacks.threshold_by_network", "{maxpool4: .inf}", FINITE),
    ("attacks.thresholds", "[.inf]", FINITE),
    ("attacks.thresholds", "[0.1, yes]", NUMBER),
    ("datasets.digits.train_images", "yes", NUMBER),
    ("datasets.digits.normalisation", "{mean: [.nan], std: [1]}", FINITE),
    ("datasets.digits.augmentation.crop_padding", "yes", NUMBER),
    ("networks.maxpool4.width", "yes", NUMBER),
    ("networks.maxpool4.dilation", "yes", NUMBER),
    ("networks.maxpool4.layers", "1000000000000", "must be at most"),
    ("networks.maxpool4.layers", "1000000", "must be at most 1000"),
    ("networks.maxpool4.training", "{epochs: yes}", NUMBER),
    ("methods.pgd_linf.relative_step", ".inf", FINITE),
    ("bounds.images_by_kind", "{local: yes}", NUMBER),
    ("experiments.dimension.seeds", "yes", NUMBER),
    ("experiments.dimension.seeds", "1000000000000", "must be at most"),
    ("experiments.dimension.seeds", "20000", f"from 1 to {MOST_SEEDS}"),
    ("experiments.dimension.sizes", "[1000000]", "must be at most 16384"),
    ("experiments.dimension.epsilons", "[.inf]", "must be a finite number"),
    ("experiments.dimension.epsilons", "[1.0e-300]", "must be 0, or from"),
    ("initialisation.fresh.seeds", "yes", NUMBER),
    ("threads", "yes", NUMBER),
    ("hang_minutes", ".inf", FINITE),
    ("multiply_adds_per_second", ".inf", FINITE),
]


@pytest.mark.parametrize(("path", "text", "allowed"), REFUSED)
def test_a_number_that_cannot_be_meant_is_refused_where_it_stands(raw_config, path, text, allowed):
    *parents, last = path.split(".")
    block = raw_config
    for key in parents:
        block = block[key]
    block[last] = yaml.safe_load(text)
    with pytest.raises(ConfigError) as raised:
        load(raw_config)
    assert f"Config key '{path}" in str(raised.value)
    assert allowed in str(raised.value)


def test_a_branch_of_a_union_is_no_part_of_the_key(raw_config):
    raw_config["hang_minutes"] = math.inf
    with pytest.raises(ConfigError, match=r"^Config key 'hang_minutes' is inf: "):
        load(raw_config)


def blocks(model: type[Settings] = Settings) -> list[type[Settings]]:
    return [m for below in model.__subclasses__() for m in (below, *blocks(below))]


@pytest.mark.parametrize("value", [True, math.inf, 10**20])
def test_every_number_of_every_block_is_guarded(value):
    checked = 0
    for model in blocks():
        for name, field in model.model_fields.items():
            if not wants_numbers(field.annotation):
                continue
            plural = typing.get_origin(field.annotation) in {list, tuple}
            with pytest.raises(ValidationError) as raised:
                model.model_validate({name: [value] if plural else value})
            assert name in {error["loc"][0] for error in raised.value.errors()}, model
            checked += 1
    assert checked > 100


WRITTEN = """
beta: 1e-3
steps: 1e3
plus: +2E+2
point: .5e1
nested: {list: [1e-2, a1e-2, {deep: -1e0}], text: "12"}
name: e3
version: 1e-3-beta
huge: 1e999
number: 0.1
truth: yes
"""


def test_exponents_are_numbers_and_text_stays_text():
    assert as_written(yaml.safe_load(WRITTEN)) == {
        "beta": 0.001,
        "steps": 1000.0,
        "plus": 200.0,
        "point": 5.0,
        "nested": {"list": [0.01, "a1e-2", {"deep": -1.0}], "text": "12"},
        "name": "e3",
        "version": "1e-3-beta",
        "huge": "1e999",
        "number": 0.1,
        "truth": True,
    }


def test_a_users_function_and_network_get_numbers(raw_config, tmp_path, monkeypatch):
    (tmp_path / "mine_numbers.py").write_text(
        "class Net: pass\n"
        "def method(network, inputs, targets, epsilon, *, beta): pass\n"
        "def attack(batch, epsilon, *, grid): pass\n"
    )
    monkeypatch.chdir(tmp_path)
    raw_config["networks"]["mine"] = yaml.safe_load(
        "{kind: module, module: mine_numbers:Net, arguments: {scale: [1e-3]}}"
    )
    raw_config["methods"]["mine"] = yaml.safe_load(
        "{module: mine_numbers:method, arguments: {beta: 1e-3}}"
    )
    raw_config["attacks"]["options"]["mine"] = yaml.safe_load(
        "{module: mine_numbers:attack, arguments: {grid: {low: 1e-3}}}"
    )
    config = load(raw_config)
    assert config.networks["mine"].arguments == {"scale": [0.001]}
    assert config.methods.mine.arguments == {"beta": 0.001}
    assert config.attacks.options.mine.arguments == {"grid": {"low": 0.001}}
