"""Methods, networks and attacks of one's own, in a module outside of the package."""

import json
import sys

import pytest
import torch
from torch.nn import functional

from advdim import user_code
from advdim.attacks.evaluate import AttackViolation, evaluate_attack
from advdim.attacks.registry import ATTACKS
from advdim.catalogue.methods import first_order_factor
from advdim.config import ConfigError, load
from advdim.config.sweep import FigureSettings
from advdim.figures import style
from advdim.planning.costs import attack_seconds, training_seconds
from advdim.stages.attack import configured_attack
from advdim.sweep import (
    attack_settings,
    attacked_cells,
    experiments_by_cell,
    initialisation_settings,
    training_settings,
)
from advdim.training.regularisers import REGULARISERS, objective

CODE = """
import torch
from torch.nn import functional
from advdim.networks.perturbations import loss_gradient

def smoothed(network, inputs, labels, epsilon, *, random, copies=1):
    noise = torch.randn(inputs.shape, generator=random)
    return functional.cross_entropy(network(inputs + epsilon * noise), labels)

def sign_step(batch, epsilon, scale=1.0):
    _, gradient = loss_gradient(batch.network, batch.inputs, batch.away_from)
    epsilon = torch.as_tensor(epsilon).view(-1, 1, 1, 1)
    return batch.inputs + scale * epsilon * gradient.sign()

class Dense(torch.nn.Sequential):
    def __init__(self, channels, size, classes):
        super().__init__(torch.nn.Flatten(), torch.nn.Linear(channels * size**2, classes))
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module in the working directory, which is not on the Python path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    name = f"own_{tmp_path.name}"
    path = tmp_path / f"{name}.py"
    path.write_text(CODE)
    yield path
    sys.modules.pop(name, None)


@pytest.fixture
def raw(raw_config, module):
    raw_config["methods"]["mine"] = {"module": f"{module.stem}:smoothed"}
    raw_config["networks"]["dense"] = {"kind": "module", "module": f"{module.stem}:Dense"}
    raw_config["attacks"]["options"]["step"] = {"module": f"{module.stem}:sign_step"}
    raw_config["experiments"] = {
        "own": {
            "dataset": "digits",
            "network": "dense",
            "sizes": [8],
            "methods": ["mine", "grad_l1"],
            "epsilons": [0.1],
            "epsilons_by_method": {"mine": [0.2]},
            "attacks": ["step", "fgsm"],
        }
    }
    raw_config["initialisation"]["fresh"]["networks"] = ["dense"]
    return raw_config


@pytest.fixture
def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)).eval()


def test_an_own_method_is_the_objective_of_its_cells(raw, network):
    config = load(raw)
    assert [(c.method, c.epsilon) for c in experiments_by_cell(config)] == [
        ("mine", "0.2"), ("grad_l1", "0.1")
    ]  # fmt: skip
    inputs, labels = torch.rand(5, 1, 8, 8), torch.arange(5)
    found = objective("mine", config.methods.mine.model_dump())(
        network, inputs, labels, 0.2, random=torch.Generator().manual_seed(3)
    )
    noise = torch.randn(inputs.shape, generator=torch.Generator().manual_seed(3))
    expected = functional.cross_entropy(network(inputs + 0.2 * noise), labels)
    assert found.item() == expected.item()
    assert first_order_factor("mine", {}) != first_order_factor("mine", {})


def test_an_own_attack_is_evaluated_like_any_other(raw, network):
    attack = configured_attack(load(raw), "step")
    inputs = torch.rand(6, 1, 8, 8)
    rows = evaluate_attack(network, inputs, torch.arange(6), attack, 0.1, (0.5,))
    fgsm = evaluate_attack(network, inputs, torch.arange(6), ATTACKS["fgsm"], 0.1, (0.5,))
    assert rows["adversarial_loss"] == pytest.approx(fgsm["adversarial_loss"], rel=1e-4)
    assert (rows["success"] == fgsm["success"]).all()


def test_an_own_attack_that_leaves_its_ball_is_named(raw, network):
    raw["attacks"]["options"]["step"]["arguments"] = {"scale": 1.1}
    attack = configured_attack(load(raw), "step")
    with pytest.raises(AttackViolation, match="step: the perturbed sample 0 leaves the ball"):
        evaluate_attack(network, torch.rand(2, 1, 8, 8), torch.arange(2), attack, 0.1)


def test_an_own_attack_that_loses_itself_in_nan_does_not_count_as_harmless(raw, network):
    raw["attacks"]["options"]["step"]["arguments"] = {"scale": float("nan")}
    attack = configured_attack(load(raw), "step")
    with pytest.raises(ValueError, match="it returns NaN or infinity for 2 of 2 images"):
        evaluate_attack(network, torch.rand(2, 1, 8, 8), torch.arange(2), attack, 0.1)


def test_an_own_attack_may_be_a_class(raw):
    raw["attacks"]["options"]["step"] = {
        "module": "advdim.attacks.at_threshold:ProjectedGradientDescent",
        "norm": "l2",
        "arguments": {"steps": 3},
    }
    attack = configured_attack(load(raw), "step")
    assert (attack.name, attack.norm, attack.steps) == ("step", "l2", 3)


def test_edited_code_is_run_again_where_it_is_used(raw, module):
    config = load(raw)
    mine, other = experiments_by_cell(config)

    def settings():
        return {
            "mine": training_settings(config, mine),
            "other": training_settings(config, other),
            "step": attack_settings(config, "dense", "step"),
            "fgsm": attack_settings(config, "dense", "fgsm"),
            "fresh": initialisation_settings(config, "fresh", "dense"),
        }

    before = settings()
    module.write_text("# a comment\n" + CODE.replace("\n\n", "\n\n\n"))
    assert settings() == before
    module.write_text(CODE.replace("scale=1.0", "scale=0.5"))
    after = settings()
    # The network of all is in that file, too: a stored one is built by it.
    assert {name for name in after if after[name] != before[name]} == {
        "mine", "other", "step", "fgsm", "fresh"
    }  # fmt: skip
    assert json.loads(after["mine"])["method"]["module"] == f"{module.stem}:smoothed"


def test_known_settings_know_nothing_of_own_code(raw_config):
    config = load(raw_config)
    cell = next(iter(experiments_by_cell(config)))
    assert "code" not in training_settings(config, cell)
    attacks = {attack for _, attack in attacked_cells(config)}
    assert all("code" not in attack_settings(config, "maxpool4", name) for name in attacks)


def test_costs_have_a_guess(raw):
    config = load(raw)
    cell = next(iter(experiments_by_cell(config)))
    assert training_seconds(config, cell) > 0
    assert attack_seconds(config, cell, "step") > attack_seconds(config, cell, "fgsm")


MISTAKES = [
    ("methods", {"module": "no_such_module:f"}, "'methods.x': module 'no_such_module' cannot be"),
    ("methods", {"module": "OWN:smoothd"}, "has no 'smoothd'; it has smoothed, sign_step, Dense"),
    ("methods", {"module": "OWN:smoothed", "arguments": {"copy": 3}}, "argument 'copy'"),
    ("methods", {"module": "OWN:smoothed", "arguments": {"random": 1}}, "is given 'random' by"),
    ("methods", {"module": "OWN:sign_step"}, "does not accept 4 positional"),
    ("methods", {"module": "smoothed"}, "'methods.x.module' is 'smoothed'"),
    ("methods", {"module": "OWN:smoothed", "argument": {}}, "did you mean 'arguments'?"),
    ("methods", {"steps": 3}, "'methods.x' is unknown; known are: aug_l2"),
    ("options", {"module": "OWN:smoothed"}, "does not accept 2 positional"),
    ("options", {"module": "OWN:sign_step", "norm": "l1"}, "'attacks.options.x.norm' is 'l1'"),
    ("options", {"steps": 3}, "'attacks.options.x' is unknown"),
    ("networks", {"kind": "module", "module": "OWN:Net"}, "'networks.x': module"),
]


@pytest.mark.parametrize(("block", "value", "says"), MISTAKES)
def test_a_mistake_is_told_before_anything_is_imported(raw, module, block, value, says):
    if "module" in value:
        value = {**value, "module": value["module"].replace("OWN", module.stem)}
    owner = raw["attacks"]["options"] if block == "options" else raw[block]
    owner["x"] = value
    with pytest.raises(ConfigError) as raised:
        load(raw)
    assert says in str(raised.value).splitlines()[0]
    assert module.stem not in sys.modules


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("methods", ["min"], "'experiments.own.methods.0' is 'min'; did you mean 'mine'?"),
        ("epsilons_by_method", {"min": [1]}, "epsilons_by_method.min' is 'min'; did you mean"),
        ("attacks", ["stepp"], "'experiments.own.attacks.0' is 'stepp'; did you mean 'step'?"),
    ],
)
def test_an_unknown_name_has_a_nearest(raw, key, value, says):
    raw["experiments"]["own"][key] = value
    with pytest.raises(ConfigError, match="did you mean") as raised:
        load(raw)
    assert says in str(raised.value)


def test_code_that_is_not_python_is_named(raw, module):
    module.write_text("def smoothed(:\n")
    with pytest.raises(ConfigError, match="is not valid Python"):
        load(raw)


def test_what_an_import_raises_is_told(module):
    module.write_text("raise RuntimeError('no licence')\ndef f(): pass")
    with pytest.raises(user_code.UserCodeError, match="cannot be imported: no licence"):
        user_code.imported(f"{module.stem}:f")


def test_own_names_have_a_look_behind_the_known_ones():
    for looks in (style.METHOD_COLOURS, style.METHOD_MARKERS, style.METHOD_LABELS):
        assert looks["my_method"] == looks["my_method"]
        assert looks.present(["zz", "my_method", "pgd_linf", "none"]) == [
            "none", "pgd_linf", "my_method", "zz"
        ]  # fmt: skip
    assert set(style.METHOD_COLOURS) == set(REGULARISERS)
    assert style.METHOD_LABELS["my_method"] == "my method"


def test_no_two_names_look_alike_in_a_figure():
    for colours, markers in (
        (style.METHOD_COLOURS, style.METHOD_MARKERS),
        (style.ATTACK_COLOURS, style.ATTACK_MARKERS),
    ):
        style.panels(1, 1, FigureSettings())
        known = {(colours[name], markers[name]) for name in colours}
        own_names = {(colours[f"own_{k}"], markers[f"own_{k}"]) for k in range(20)}
        assert len(own_names) == 20
        assert not own_names & known
    style.plt.close("all")


def test_an_argument_that_a_function_does_not_have_is_named(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lossy.py").write_text(
        "def loss(a, beta=1):\n    pass\ndef any(**more):\n    pass\n"
    )
    for name, said in (
        ("bta", "has no argument 'bta'; did you mean 'beta'? It takes beta"),
        # what it is given in any case is no suggestion
        ("aa", "has no argument 'aa'; it takes beta"),
    ):
        with pytest.raises(user_code.UserCodeError) as caught:
            user_code.check_function("lossy:loss", 1, (), {name: 1})
        assert str(caught.value) == f"function 'lossy:loss' {said}"
    user_code.check_function("lossy:any", 0, (), {"bta": 1})


def test_a_file_below_the_working_directory_is_named_from_there(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/unfinished.py").write_text("def loss(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        user_code.UserCodeError, match=r"^'mine/unfinished\.py' is not valid Python"
    ):
        user_code.check("mine.unfinished:loss")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(user_code.UserCodeError) as caught:
        user_code.check("mine.unfinished:loss")
    assert str(caught.value).startswith(f"'{tmp_path}/mine/unfinished.py' is not valid Python")


@pytest.mark.parametrize(
    "nested", ["try:\n    pass\nexcept ImportError:\n    pass\nelse:", "if 1:"]
)
def test_a_function_below_a_condition_is_left_to_the_import(tmp_path, monkeypatch, nested):
    monkeypatch.chdir(tmp_path)
    name = f"conditional_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(f"{nested}\n    def own(a, b):\n        return a\n")
    user_code.check_function(f"{name}:own", 2, (), {})
    assert user_code.imported(f"{name}:own")(1, 2) == 1
    with pytest.raises(user_code.UserCodeError, match="has no 'other'"):
        user_code.check(f"{name}:other")
