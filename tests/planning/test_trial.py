"""Arguments that code of one's own does not take are told by name before anything runs."""

from __future__ import annotations

import pytest
import yaml

from advdim.__main__ import main
from advdim.config import load
from advdim.planning.trial import network_problems

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
    found = [problem for problem in network_problems(load(raw_config)) if key in problem]
    assert found
    for problem in found:
        assert f"'code_of_mine:{code}' has no argument {argument!r}; {said}" in problem
    own["arguments"].clear()
    assert not [p for p in network_problems(load(raw_config)) if "has no argument" in p]


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
