"""Arguments that code of one's own does not take are told by name before anything runs."""

from __future__ import annotations

import pytest
import yaml

from advdim.__main__ import main
from advdim.config import load
from advdim.planning.trial import trial_problems

CODE = """
import functools
import torch
from advdim.attacks.base import Attack

class Net(torch.nn.Module):
    def __init__(self, channels, size, classes, width=8, depth=2):
        super().__init__()

class Own(Attack):
    def __init__(self, name, norm, reference, steps=1):
        pass

def kept(function):
    @functools.wraps(function)
    def inner(*arguments, **more):
        return function(*arguments, **more)
    return inner

@kept
def loss(network, inputs, targets, epsilon, weight=1):
    pass
"""
CASES = [
    ("networks", "Net", "widht", "did you mean 'width'? It takes width, depth."),
    ("networks", "Net", "frobnicate", "it takes width, depth."),
    ("options", "Own", "stps", "did you mean 'steps'? It takes steps."),
    ("methods", "loss", "wieght", "did you mean 'weight'? It takes "),
]


@pytest.mark.parametrize(("block", "code", "argument", "said"), CASES)
def test_an_unknown_argument_is_named(
    raw_config, tmp_path, monkeypatch, block, code, argument, said
):
    (tmp_path / "code_of_mine.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    own = {"module": f"code_of_mine:{code}", "arguments": {argument: 3}}
    if block == "networks":
        raw_config["networks"]["maxpool4"] = {"kind": "module", **own}
        key = "networks.maxpool4"
    else:
        place = raw_config["attacks"]["options"] if block == "options" else raw_config["methods"]
        place["mine"] = own
        key = "attacks.options.mine" if block == "options" else "methods.mine"
    found = [problem for problem in trial_problems(load(raw_config)) if key in problem]
    assert found
    for problem in found:
        assert f"'code_of_mine:{code}' has no argument {argument!r}; {said}" in problem
    own["arguments"].clear()
    assert not [p for p in trial_problems(load(raw_config)) if "has no argument" in p]


@pytest.mark.parametrize("command", ["check", "plan"])
def test_commands_tell_it(raw_config, tmp_path, monkeypatch, capsys, command):
    (tmp_path / "code_of_mine.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    module = "code_of_mine:Net"
    raw_config["networks"]["maxpool4"] = {
        "kind": "module", "module": module, "arguments": {"widht": 3}
    }  # fmt: skip
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(raw_config))
    assert main([command, str(tmp_path / "sweep.yaml")]) == 2
    assert "has no argument 'widht'; did you mean 'width'?" in capsys.readouterr().err


MORE = """
import torch
from advdim.attacks.base import Attack
from code_of_mine import kept

class Needs(Attack):
    def __init__(self, name, norm, reference, steps):
        super().__init__(name=name, norm=norm, reference=reference)

class Plain:
    def __init__(self, something=1):
        pass

class Grey(torch.nn.Sequential):
    def __init__(self, channels, size, classes):
        features = 4 * (size - 2) ** 2
        super().__init__(
            torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(), torch.nn.Linear(features, classes)
        )

class Auxiliary(Grey):
    def forward(self, inputs):
        logits = super().forward(inputs)
        return (logits, logits) if self.training else logits

class Frozen(Grey):
    def forward(self, inputs):
        logits = super().forward(inputs)
        return logits.detach() if self.training else logits

@kept
def scaled(batch, threshold, scale):
    return batch.inputs

number = 3
"""


@pytest.fixture
def own(raw_config, tmp_path, monkeypatch):
    """Return a function from a change of the configuration to its problems."""
    (tmp_path / "code_of_mine.py").write_text(CODE)
    (tmp_path / "more_of_mine.py").write_text(MORE)
    monkeypatch.syspath_prepend(tmp_path)

    def problems(change):
        change(raw_config)
        return trial_problems(load(raw_config))

    return problems


@pytest.mark.parametrize(
    ("block", "code", "said"),
    [
        ("attack", "more_of_mine:Needs", "cannot be made with the configured arguments"),
        ("attack", "more_of_mine:Plain", "is a class, but no subclass of advdim.attacks.base."),
        ("attack", "more_of_mine:scaled", "does not accept 2 positional"),
        ("attack", "more_of_mine:number", "is no function."),
        ("method", "more_of_mine:Plain", "is no function."),
        ("method", "math:pi", "is no function."),
    ],
)
def test_code_that_cannot_be_called_is_told(own, block, code, said):
    def change(raw):
        place = raw["methods"] if block == "method" else raw["attacks"]["options"]
        place["mine"] = {"module": code}

    (problem,) = own(change)
    assert said in problem
    assert repr(code) in problem


def test_what_can_be_called_is_no_problem(own):
    def change(raw):
        raw["methods"]["mine"] = {"module": "code_of_mine:loss", "arguments": {"weight": 2}}
        raw["attacks"]["options"]["mine"] = {
            "module": "more_of_mine:scaled", "arguments": {"scale": 2}
        }  # fmt: skip

    assert own(change) == []


@pytest.mark.parametrize(
    ("name", "epochs", "said"),
    [
        ("Auxiliary", 2, "returns tuple in training, not logits of shape (2, 10)."),
        ("Frozen", 2, "cannot be trained: element 0 of tensors does not require grad"),
        ("Auxiliary", 0, None),
        ("Grey", 2, None),
    ],
)
def test_a_network_is_tried_as_it_is_trained(own, name, epochs, said):
    def change(raw):
        del raw["initialisation"]
        raw["networks"]["mine"] = {
            "kind": "module", "module": f"more_of_mine:{name}", "training": {"epochs": epochs}
        }  # fmt: skip
        raw["experiments"] = {
            "e": {"dataset": "digits", "network": "mine", "sizes": [8], "epsilons": [0]}
        }

    found = own(change)
    assert (said in found[0]) if said else not found


def test_a_grey_network_takes_photographs_that_may_be_grey(own, tmp_path):
    for place in ("train/a", "train/b", "test/a", "test/b"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "1.png").touch()

    def change(raw):
        del raw["initialisation"]
        raw["networks"]["mine"] = {"kind": "module", "module": "more_of_mine:Grey"}
        raw["datasets"]["photos"] = {
            "source": "folder", "root": str(tmp_path), "native_size": 8
        }  # fmt: skip
        raw["experiments"] = {
            "e": {"dataset": "photos", "network": "mine", "sizes": [8], "epsilons": [0]}
        }

    assert own(change) == []


def test_normalisations_have_a_value_per_channel(own):
    def change(raw):
        del raw["initialisation"]
        three = {"mean": [0.5, 0.4, 0.4], "std": [0.2, 0.2, 0.2]}
        raw["networks"]["mine"] = {
            "kind": "module", "module": "more_of_mine:Grey", "normalisation": three
        }  # fmt: skip
        raw["experiments"] = {
            "e": {"dataset": "digits", "network": "mine", "sizes": [8], "epsilons": [0]}
        }

    (problem,) = own(change)
    assert "the normalisation of the network has 3 values, not 1." in problem
