"""What a value must be is said in plain words, whatever pydantic calls the mistake."""

import pytest
import yaml

from advdim.config import ConfigError, load

SAID = {
    "training: {epochs: 1e3}": "'training.epochs' is '1e3': must be a whole number, written with "
    "digits only",
    "training: {epochs: -1}": "'training.epochs' is -1: must be at least 0",
    "training: {learning_rate: fast}": "'training.learning_rate' is 'fast': must be a number",
    "training: 5": "'training' is 5: must be a block of keys and values",
    "training: {epochs: 1.5}": "'training.epochs' is 1.5: must be a whole number",
    "results: null": "'results' is null: must be text",
    "only_finished: maybe": "'only_finished' is 'maybe': must be true or false",
    "threads: 0": "'threads' is 0: must be greater than 0",
    "datasets: {digits: null}": "'datasets.digits' is null: must be a block of keys and values",
    "experiments: {dimension: {seeds: 0}}": "'experiments.dimension.seeds' is 0: must be a list of "
    "seeds, or how many, from 1 to 10000",
    "experiments: {dimension: {sizes: 8}}": "'experiments.dimension.sizes' is 8: must be a list, "
    "in brackets",
    "experiments: {dimension: {sizes: []}}": "'experiments.dimension.sizes': holds too few values; "
    "the least is 1",
}


def put(block: dict, changes: dict) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(block.get(key), dict):
            put(block[key], value)
        else:
            block[key] = value


@pytest.mark.parametrize("text", SAID)
def test_a_mistake_is_told_in_our_own_words(raw_config, text):
    put(raw_config, yaml.safe_load(text))
    with pytest.raises(ConfigError) as raised:
        load(raw_config)
    assert str(raised.value) == f"Config key {SAID[text]}."


@pytest.mark.parametrize(
    ("changes", "part", "values"),
    [
        ({"network": ["maxpool4", "strided4"], "sizes": [8]}, "network", "maxpool4, strided4"),
        ({"methods": ["pgd_linf", "grad_l1"]}, "methods", "pgd_linf, grad_l1"),
    ],
)
def test_a_figure_that_would_mix_networks_is_refused(raw_config, changes, part, values):
    experiment = raw_config["experiments"]["dimension"] | changes
    raw_config["experiments"] = {"two": {**experiment, "figures": ["input_dimension"]}}
    with pytest.raises(ConfigError) as raised:
        load(raw_config)
    assert str(raised.value) == (
        "Config key 'experiments.two.figures' names 'input_dimension', which would mix what "
        f"'experiments.two.{part}' lists ({values}): make an experiment of each."
    )
    # what is not trained by a method is of none
    if part == "methods":
        raw_config["experiments"]["two"]["epsilons"] = [0]
        load(raw_config)
