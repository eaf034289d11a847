"""A network for each flag, of which it is known what attacks find; and one without any."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from advdim.attacks.evaluate import evaluate_attack
from advdim.attacks.registry import ATTACKS
from advdim.config import load
from advdim.measures.checks import network_flags
from advdim.measures.flags import SENTENCES
from advdim.networks.answers import NO_PREDICTION
from advdim.networks.perturbations import loss_gradient
from advdim.stages import train
from advdim.stages.pixels import prepare_pixels
from advdim.sweep import experiments_by_cell
from advdim.tables.attack_summaries import summarise_attack
from tests.attacks.conftest import clusters

THRESHOLD = 0.5


class Quantised(nn.Module):
    """Rounding has no gradient, so that attacks that follow it cannot move."""

    def forward(self, inputs):
        return torch.round(4 * inputs) / 4


class Noisy(nn.Module):
    def forward(self, inputs):
        return inputs + 0.5 * torch.randn_like(inputs)


class FiniteWithin(nn.Module):
    """Zero, and NaN where a coordinate is further from 0 than the limit."""

    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def forward(self, inputs):
        return 0 * (self.limit - inputs.flatten(1).abs().amax(1, keepdim=True)).log()


class Sum(nn.Module):
    def __init__(self, *parts):
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, inputs):
        return sum(part(inputs) for part in self.parts)


@pytest.fixture
def images():
    return clusters(40, seed=1)


@pytest.fixture
def linear():
    generator = torch.Generator().manual_seed(3)
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
    with torch.no_grad():
        network[1].weight.copy_(0.05 * torch.randn(5, 192, generator=generator))
        network[1].bias.zero_()
    return network.eval()


def evaluated(network, images, name="fgsm", **options):
    attack = replace(ATTACKS[name], **options)
    return evaluate_attack(network.eval(), *images, attack, THRESHOLD)


def test_an_ordinary_network_has_no_flag(linear, images):
    assert evaluated(linear, images)["flags"].tolist() == [[]] * 40
    assert evaluated(linear, images, "autoattack_linf", steps=5, queries=50)["flags"][0] == []


def test_probabilities_are_no_logits(linear, images):
    assert network_flags(nn.Sequential(linear, nn.Softmax(1)), images[0], 16) == ["probabilities"]
    # Neither do all of these have a sum of 1, nor are all of those above 0.
    assert network_flags(nn.Sequential(linear, nn.Sigmoid()), images[0], 16) == []
    with torch.no_grad():
        linear[1].bias[0] = 1
        linear[1].weight[0] = -linear[1].weight[1:].sum(0)
    assert network_flags(linear, images[0], 16) == []


def test_random_answers_are_named_and_end_nothing(linear, images):
    assert network_flags(nn.Sequential(Noisy(), linear), images[0], 16) == ["random"]
    for name in ("fgsm", "deepfool_l2"):
        rows = evaluated(nn.Sequential(Noisy(), linear), images, name)
        assert rows["flags"][0] == ["random"]


def test_gradients_that_are_zero_are_named(linear, images):
    rows = evaluated(nn.Sequential(Quantised(), linear), images)
    assert rows["flags"][0] == ["zero_gradients"]
    assert not rows["success"].any()
    # One image is enough: a unit that is dead for it, and there alone.
    with torch.no_grad():
        network = nn.Sequential(nn.Flatten(), nn.Linear(192, 1), nn.ReLU(), nn.Linear(1, 3)).eval()
        scores = network[1](images[0].flatten(1))
        network[1].bias -= scores.min() + 1e-4
        assert (network[1](images[0].flatten(1)) <= 0).sum() == 1
    assert network_flags(network, images[0], 16) == ["zero_gradients"]


def test_a_network_that_is_too_sure_for_float32_is_named(linear, images):
    inputs, _ = images
    with torch.no_grad():
        two, _ = linear(inputs).topk(2)
        linear[1].weight *= 20 / (two[:, 0] - two[:, 1]).min()
    labels = linear(inputs).argmax(1)
    single, double = (
        loss_gradient(copy.deepcopy(linear).to(kind), inputs.to(kind), labels)[1].double()
        for kind in (torch.float32, torch.float64)
    )
    error = (single - double).flatten(1).norm(dim=1) / double.flatten(1).norm(dim=1)
    assert (error > 0.06).any()
    assert "rounded_gradients" in network_flags(linear, inputs, 16)


def test_a_black_box_that_finds_what_gradients_do_not_is_named(linear, images):
    network = nn.Sequential(Quantised(), linear)
    rows = evaluated(network, images, "autoattack_linf", steps=5, queries=200)
    assert rows["flags"][0] == ["zero_gradients", "black_box"]
    assert rows["success"].any()


def test_logits_that_are_not_finite_count_alike_in_every_column(linear, images):
    """FGSM's image is known: its coordinates move by the threshold, beyond the limit or not."""
    inputs, _ = images
    limit = float(inputs.flatten(1).abs().amax(1).median()) + THRESHOLD / 2
    rows = evaluated(Sum(linear, FiniteWithin(limit)), images)
    clean = inputs.flatten(1).abs().amax(1) < limit
    assert 0 < clean.sum() < 40
    plain = evaluated(linear, images)
    with torch.no_grad():
        predictions = linear(inputs).argmax(1)
    signs = torch.autograd.functional.jacobian(
        lambda x: nn.functional.cross_entropy(linear(x), predictions, reduction="sum"), inputs
    ).sign()
    within = (inputs + THRESHOLD * signs).flatten(1).abs().amax(1) < limit
    lost = (clean & ~within).numpy()
    assert 0 < lost.sum() < clean.sum()
    changed = np.where(lost, True, plain["success"][:, 0]) & clean.numpy()
    assert rows["success"][:, 0].tolist() == changed.tolist()
    assert (rows["adversarial_prediction"] != rows["prediction"]).tolist() == changed.tolist()
    assert (rows["adversarial_prediction"][lost] == NO_PREDICTION).all()
    assert np.isnan(rows["adversarial_loss"][lost]).all()
    # Without an answer from the start there is nothing to change.
    assert (rows["prediction"][~clean] == NO_PREDICTION).all()
    assert np.isnan(rows["norm_linf"][~clean.numpy()]).all()
    assert np.isnan(rows["loss"][~clean.numpy()]).all()
    assert rows["flags"][0] == ["not_finite"]
    identity = {"dataset": "d", "network": "n", "size": 8, "method": "none", "epsilon": 0.0}
    constant = {"attack": "fgsm", "effort": "", "norm": "linf", "dimension": 192, "seed": 0}
    table = pd.DataFrame({name: list(column) for name, column in rows.items()})
    table = table.assign(**identity, **constant, thresholds=[[THRESHOLD]] * 40)
    (summary,) = summarise_attack(table)
    of_predicted = changed[clean.numpy()].mean()
    assert of_predicted > changed.mean() > 0
    assert summary["vulnerability"] == summary["success"] == of_predicted
    assert np.isnan(summary["damage"])
    assert summary["flags"] == ["not_finite"]


@pytest.mark.parametrize("name", ["pgd_linf", "pgd_l2", "deepfool_l2", "ddn_l2", "autoattack_linf"])
def test_every_attack_survives_logits_that_are_not_finite(linear, images, name):
    inputs, labels = images[0][:10], images[1][:10]
    limit = float(inputs.flatten(1).abs().amax(1).median()) + 0.1
    options = {"steps": 5, "queries": 50} if name == "autoattack_linf" else {}
    network = Sum(linear, FiniteWithin(limit))
    rows = evaluated(network, (inputs, labels), name, **options)
    assert "not_finite" in rows["flags"][0]
    changed = rows["adversarial_prediction"] != rows["prediction"]
    assert changed.tolist() == rows["success"][:, 0].tolist()
    assert (rows["success"][:, 0] <= np.isfinite(rows["norm_linf"])).all()


def test_a_cells_record_names_its_flags(raw_config, tmp_path, monkeypatch):
    raw_config["training"]["epochs"] = 1
    config = load(raw_config)
    cell = next(cell for cell in experiments_by_cell(config) if cell.network == "strided4")
    pixels = tmp_path / "pixels.safetensors"
    prepare_pixels(config, "digits", 8, pixels)
    build = train.build
    flags = []
    for last in (nn.Identity(), nn.Softmax(1)):
        monkeypatch.setattr(train, "build", lambda *a, last=last: nn.Sequential(build(*a), last))
        files = {name: tmp_path / name for name in ("network", "epochs", "samples")}
        record = train.train_cell(config, cell, pixels, files, tmp_path / str(len(flags)))
        flags.append(record["flags"])
    assert flags == [[], ["probabilities"]]


def test_every_flag_has_a_sentence():
    assert list(SENTENCES) == [
        "probabilities",
        "random",
        "not_finite",
        "zero_gradients",
        "rounded_gradients",
        "black_box",
    ]
    assert all(sentence.endswith(".") and len(sentence) > 60 for sentence in SENTENCES.values())
