"""The benchmark of training attacks by precision, on a network of a sweep."""

import json
from dataclasses import asdict
from pathlib import Path

import torch
import yaml

from advdim.config import load
from advdim.data.prepare import prepare
from advdim.networks.build import Shape, build, save_network
from advdim.results import Result
from advdim.sweep import Cell
from tests.forked import own_source, python

ROOT = Path(__file__).parents[2]
CONFIG = {
    "datasets": {"digits": {"source": "digits", "train_images": 64, "test_images": 16}},
    "networks": {
        "maxpool4": {
            "layers": 4, "width": 4, "pool": "max", "pool_after": [2, 4], "head": "global_max"
        }
    },
    "experiments": {
        "e": {"dataset": "digits", "network": "maxpool4", "sizes": [8], "epsilons": [0]}
    },
}  # fmt: skip


def test_a_trained_network_is_attacked_at_every_precision(tmp_path):
    content = {**CONFIG, "results": str(tmp_path / "results")}
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(content))
    config = load(content)
    settings, cell = config.networks["maxpool4"], Cell("digits", "maxpool4", 8, "none", "0", 0)
    shape = Shape(1, 8, 10)
    pixels, _ = prepare(config.datasets["digits"], "digits", 8)
    network = build(settings, shape, torch.Generator().manual_seed(0))
    saved = Result.of("train", asdict(cell)).files(config)["network"]
    saved.parent.mkdir(parents=True)
    save_network(saved, network, settings, shape, pixels.normalisation)
    done = python(
        ROOT / "benchmarks/precision_damage.py", file, "--dataset", "digits",
        "--network", "maxpool4", "--sizes", "8", "--strengths", "0.01", "--images", "16",
        "--precisions", "anchored", "bfloat16",
        folder=ROOT, environment=own_source(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = {row["precision"]: row for row in json.loads(done.stdout)}
    assert rows["anchored"]["damage_of_float32"] > 0
    assert abs(rows["anchored"]["of_float32"] - 1) < 0.05
    assert rows["bfloat16"]["of_float32"] != rows["anchored"]["of_float32"]
