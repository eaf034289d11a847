"""Whole cells beside plain code: what a processor cannot train, and what the clock leaves out."""

import sys
from argparse import Namespace

import pytest
import yaml

from tests.benchmarks.test_rounding import CONFIG


@pytest.fixture
def whole_cell(benchmark_module):
    return benchmark_module("whole_cell")


def test_a_precision_that_a_processor_lacks_is_refused(whole_cell, monkeypatch, capsys):
    options = "it config.yaml --dataset digits --network maxpool4 --size 8 --methods none:0"
    monkeypatch.setattr(sys, "argv", [*options.split(), "--variants", "float32", "tf32"])
    with pytest.raises(SystemExit):
        whole_cell.main()
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert "a processor trains no tf32: leave it out, or give --rounded" in sentence


def test_plain_code_has_loaded_all_before_the_clock_starts(whole_cell, monkeypatch, tmp_path):
    happened = []

    def told(name, result=0.0):
        return lambda *_: happened.append(name) or result

    monkeypatch.setattr(whole_cell, "torchvision", told("torchvision"))
    monkeypatch.setattr(whole_cell.time, "process_time", told("clock"))
    monkeypatch.setattr(whole_cell, "plain_training", told("training"))
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(CONFIG))
    settings = Namespace(config=file, dataset="digits", network="maxpool4", size=8, epochs=1)
    row = whole_cell.run_here(settings, "plain", "none", "0", "0")
    assert happened == ["torchvision", "clock", "training", "clock"]
    assert set(whole_cell.MEASURES) <= set(row)
