"""One more of each kind: a function in a module, an entry in the catalogue, and nothing else."""

import json

import pytest

from advdim.tables import read_table
from tests.forked import python
from tests.workflow.conftest import Workflow

MODULES = {
    "training/logits.py": """
from torch.nn import functional


def logit_penalty(network, inputs, targets, epsilon):
    logits = network(inputs)
    return functional.cross_entropy(logits, targets) + epsilon * logits.square().mean()
""",
    "attacks/brightness.py": """
from advdim.attacks.at_threshold import FunctionAttack


def _brighter(batch, threshold):
    return batch.inputs + threshold


brighter = FunctionAttack(norm="linf", reference="a test", function=_brighter)
""",
    "bounds/halved.py": """
from advdim.bounds.sound import patches


def halved(analysis):
    return patches(analysis) / 2
""",
    "config/linear.py": '''
from typing import Literal

from advdim.config.network_base import Network


class LinearNetwork(Network):
    """One linear layer."""

    kind: Literal["linear"]
    initialisation: Literal["he"] = "he"
''',
    "networks/linear.py": """
from torch import nn


def linear(settings, channels, size, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size**2, classes))
""",
    "figures/accuracies.py": """
from advdim.figures.style import METHOD_COLOURS, METHOD_LABELS, panels


def accuracies(tables, settings):
    figure, (axis,) = panels(1, 1, settings)
    for row in tables["cells"].itertuples():
        colour = METHOD_COLOURS[row.method]
        axis.bar(METHOD_LABELS[row.method], row.accuracy_median, color=colour)
    return figure
""",
}
LOOK = 'Look(label="a label", colour="black", marker="o")'
ENTRIES = {
    "methods": f"""MethodEntry(
        name="logit_penalty", function="advdim.training.logits:logit_penalty", look={LOOK},
        passes=1.5, first_order_factor=0.25,
    ),""",
    "attacks": f"""AttackEntry(
        name="brighter", function="advdim.attacks.brightness:brighter", look={LOOK}, passes=1.0,
    ),""",
    "bounds": """BoundEntry(
        name="halved", function="advdim.bounds.halved:halved", meaning="half of patches",
    ),""",
    "networks": """NetworkEntry(
        name="linear", function="advdim.networks.linear:linear",
        settings="advdim.config.linear:LinearNetwork",
    ),""",
    "figures": """FigureEntry(
        name="accuracies", function="advdim.figures.accuracies:accuracies", tables=("cells",),
        title="Accuracies", caption="A test, Section 1: accuracies.",
    ),""",
}
SWEEP = {
    "datasets": {"digits": {"source": "digits", "train_images": 64, "test_images": 16}},
    "networks": {"dense": {"kind": "linear"}},
    "training": {"epochs": 1, "measurement": {"steps": 1, "images": 8}},
    "attacks": {"thresholds": [], "images": 8},
    "bounds": {"images": 4},
    "figures": {"formats": ["png"]},
    "experiments": {
        "new": {
            "dataset": "digits",
            "network": "dense",
            "sizes": [8],
            "methods": ["logit_penalty"],
            "epsilons": [0.1],
            "attacks": ["brighter"],
            "bounds": True,
            "figures": ["accuracies"],
        }
    },
}


@pytest.fixture
def extended(project):
    """A checkout with one more of each kind."""
    package = project / "src/advdim"
    for name, code in MODULES.items():
        (package / name).write_text(code)
    for kind, entry in ENTRIES.items():
        file = package / "catalogue" / f"{kind}.py"
        file.write_text(file.read_text().replace("    )\n}\n", f"        {entry}\n    )\n}}\n"))
    return project


def test_one_more_of_each_kind_runs_through_the_workflow(extended, tmp_path):
    workflow = Workflow(tmp_path, SWEEP)
    workflow.run("--cores", "2", project=extended)
    tables = workflow.results / "tables"
    (cell,) = read_table(tables / "cells.parquet").to_dict("records")
    assert (cell["network"], cell["method"], cell["status"]) == ("dense", "logit_penalty", "done")
    assert cell["first_order_factor"] == 0.25
    attacks = read_table(tables / "attacks.parquet")
    assert set(attacks["attack"]) == {"brighter"}
    assert len(attacks) == 8
    bounds = read_table(tables / "bounds.parquet")
    assert list(bounds["halved"]) == pytest.approx(list(bounds["patches"] / 2))
    assert (bounds["halved"] > 0).all()
    assert (workflow.results / "figures/new/accuracies.png").stat().st_size > 1000
    page = (workflow.results / "report.html").read_text()
    assert "A test, Section 1: accuracies." in page

    # An edit of each function makes its own results again.
    edited = {}
    for name in ("attacks/brightness.py", "bounds/halved.py"):
        module = extended / "src/advdim" / name
        text = module.read_text()
        module.write_text(text + "\nEDITED = True\n")
        edited[name] = workflow.counts(project=extended)
        module.write_text(text)
    assert "attack" in edited["attacks/brightness.py"]
    assert "bounds" in edited["bounds/halved.py"]
    assert not {"train", "attack"} & set(edited["bounds/halved.py"])


def test_the_schema_the_reference_and_the_checks_know_it(extended):
    def said(command):
        environment = {"PYTHONPATH": str(extended / "src")}
        done = python("-m", "advdim", command, folder=extended, environment=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    schema = json.loads(said("schema"))
    assert "logit_penalty" in schema["$defs"]["Methods"]["properties"]
    assert "brighter" in schema["$defs"]["AttackOptions"]["properties"]
    assert "LinearNetwork" in schema["$defs"]
    assert "halved" in json.dumps(schema["$defs"]["Bounds"])
    reference = said("reference")
    assert all(name in reference for name in ("logit_penalty", "brighter", "halved"))
