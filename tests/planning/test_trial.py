"""Arguments that code of one's own does not take are told by name before anything runs."""

from __future__ import annotations

import pytest
import yaml
from PIL import Image

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
    assert bool(found) == bool(said), found
    assert not said or said in found[0], found


@pytest.mark.parametrize(
    ("mode", "sizes", "more", "said"),
    [
        ("L", [8], {}, None),
        ("L", [4, 16], {"normalisation": {"mean": [0.5], "std": [0.2]}}, None),
        ("RGB", [8], {}, "cannot take 3 x 8 x 8 images"),
        ("L", [8, 12], {}, "images have 8x8 pixels: size 12 is no multiple"),
        (
            "L", [8], {"normalisation": {"mean": [0.5] * 3, "std": [0.2] * 3}},
            "'datasets.photos.normalisation' has 3 values of each; the images have 1 channels.",
        ),
        (None, [8], {}, "Config key 'datasets.photos': "),
    ],
)  # fmt: skip
def test_a_photograph_is_looked_at_before_anything_runs(own, tmp_path, mode, sizes, more, said):
    for place in ("train/a", "train/b", "test/a", "test/b"):
        (tmp_path / place).mkdir(parents=True)
        for k in range(4):
            file = tmp_path / place / f"{k}.png"
            if mode:
                Image.new(mode, (8, 8)).save(file)
            else:
                file.touch()

    def change(raw):
        del raw["initialisation"]
        raw["networks"]["mine"] = {"kind": "module", "module": "more_of_mine:Grey"}
        raw["datasets"]["photos"] = {"source": "folder", "root": str(tmp_path), **more}
        raw["experiments"] = {
            "e": {"dataset": "photos", "network": "mine", "sizes": sizes, "epsilons": [0]}
        }

    found = own(change)
    assert bool(found) == bool(said), found
    assert not said or said in found[0], found


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


CALLED = """
import torch
from torch.nn.functional import cross_entropy

def detached(network, inputs, targets, epsilon):
    return cross_entropy(network(inputs), targets).detach()

def per_image(network, inputs, targets, epsilon):
    return cross_entropy(network(inputs), targets, reduction="none")

def raises(network, inputs, targets, epsilon):
    raise KeyError("weights")

def plain(network, inputs, targets, epsilon, random):
    noise = torch.randn(inputs.shape, generator=random, device=random.device)
    return cross_entropy(network(inputs + epsilon * noise), targets)

def outside(batch, threshold):
    return batch.inputs + 10

def smaller(batch, threshold):
    return batch.inputs[:, :, 1:]

def inside(batch, threshold):
    return batch.inputs
"""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("detached", "returns a number that depends on no weight, as if detached."),
        ("per_image", "returns (2,) for two images, not one number of shape ()."),
        ("raises", "fails on two images: KeyError: 'weights'."),
        ("plain", None),
        ("outside", "fails on two images: AttackViolation: mine: the perturbed sample 0 leaves"),
        ("smaller", "fails on two images: "),
        ("inside", None),
    ],
)
def test_own_code_is_called_once_before_anything_is_trained(own, tmp_path, code, said):
    (tmp_path / "called_of_mine.py").write_text(CALLED)
    is_attack = code in {"outside", "smaller", "inside"}

    def change(raw):
        place = raw["attacks"]["options"] if is_attack else raw["methods"]
        place["mine"] = {"module": f"called_of_mine:{code}"}
        wanted = {"attacks": ["mine"], "epsilons": [0]} if is_attack else {
            "methods": ["mine"], "epsilons": [0.1]
        }  # fmt: skip
        raw["experiments"] = {
            "e": {"dataset": "digits", "network": "strided4", "sizes": [8], **wanted}
        }

    found = own(change)
    assert bool(found) == bool(said), found
    assert not said or said in found[0], found
