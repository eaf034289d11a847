"""A trained network is measured again: the same numbers, or others that are seen."""

import json
from pathlib import Path

import yaml

from advdim.config import load
from advdim.results import all_results
from advdim.stages.job import make
from advdim.tables import read_table, write_frames
from tests.forked import own_source, python

ROOT = Path(__file__).parents[2]
CONFIG = {
    "datasets": {"digits": {"source": "digits", "train_images": 64, "test_images": 48}},
    "networks": {"strided4": {"layers": 4, "width": 4, "strides": [1, 2, 2, 2]}},
    "training": {"epochs": 2, "batch_size": 32, "measurement": {"steps": 2, "batch_size": 16}},
    "experiments": {
        "e": {"dataset": "digits", "network": "strided4", "sizes": [8], "epsilons": [0]}
    },
}


def call(folder, *command):
    done = python(*command, folder=folder, environment=own_source())
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_same_numbers_come_out_and_others_are_seen(tmp_path):
    content = {**CONFIG, "device": "cpu", "results": str(tmp_path / "results")}
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(content))
    config = load(content)
    pixels, train = all_results(config)
    make(config, pixels)
    make(config, train)
    again = [ROOT / "benchmarks/measured_again.py", "sweep.yaml"]
    (row,) = json.loads(call(tmp_path, *again))
    assert row["cell"] == train.cell.directory
    assert row["images"] == 48
    assert row["same"]
    assert row["largest_gap_of_norms"] == 0
    before, now = row["averages"]["vulnerability"]
    assert before == now > 0
    samples = train.files(config)["samples"]
    longer = read_table(samples)
    longer["grad_l1"] *= 1.5
    write_frames(samples, "samples", [longer])
    (row,) = json.loads(call(tmp_path, *again))
    assert not row["same"]
    assert round(row["largest_gap_of_norms"], 3) == 0.333
