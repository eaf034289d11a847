import json
from pathlib import Path

from advdim import plan
from advdim.config import load
from advdim.plan import StepTimes, make_plan
from advdim.sweep import digest, experiments_by_cell, training_settings


def test_a_plan_counts_and_names_stale_cells(raw_config, tmp_path):
    raw_config["results"] = str(tmp_path)
    config = load(raw_config)
    cells = list(experiments_by_cell(config))
    for cell, code in ((cells[0], plan.training_code()), (cells[1], "older")):
        run = {
            "config_hash": digest(training_settings(config, cell)),
            "training_code": code,
            "device": "a processor",
            "seconds": 90.0,
        }
        path = Path(tmp_path, "cells", cell.directory, "run.json")
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(run))
    text = make_plan(config)
    assert "4 attacks on cells: 0 done, 4 to run." in text
    # One kind of network at one size shares a job; a third has its two cells done.
    assert "2 jobs of training and 2 of attacks (cells_per_job auto" in text
    assert "on one a100 (not measured: assumes 25% of its 19.5 TFLOPS in float32" in text
    assert "7 cells: 2 done, 5 to train." in text
    assert "Done so far on a processor: 2 cells, 3 minutes." in text
    assert text.endswith(
        f"1 cells were trained by older code and are kept:\n  {cells[1].directory}"
    )


def test_changed_settings_are_to_be_trained_again(raw_config, tmp_path):
    raw_config["results"] = str(tmp_path)
    config = load(raw_config)
    cell = next(iter(experiments_by_cell(config)))
    path = Path(tmp_path, "cells", cell.directory, "run.json")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"config_hash": "other", "training_code": "", "device": ""}))
    assert plan._recorded(config, [cell]) == ({}, [])


def test_seconds_follow_from_the_protocol(raw_config):
    config = load(raw_config)
    cell = next(iter(experiments_by_cell(config)))
    # 96 images less a tenth for validation, 3 epochs; 4 measurements of 16 images in 2 splits.
    seconds = plan._seconds(config, cell, StepTimes(training=1.0, measuring=100.0))
    assert abs(seconds - (96 * 0.9 * 3 + 4 * 32 * 100)) < 1e-6


def test_a_faster_gpu_takes_less_time(raw_config):
    raw_config["networks"]["strided4"]["width"] = 4096
    config = load(raw_config)
    cells = list(experiments_by_cell(config))
    lines = {gpu: plan._on_gpu(config, gpu, cells, []) for gpu in ("t4", "h100")}
    seconds = {gpu: float(line.split()[0].replace(",", "")) for gpu, line in lines.items()}
    assert all(line.split()[1] == "s" for line in lines.values()), lines
    # 8.1 against 67 TFLOPS, and the same overhead.
    assert 2 < seconds["t4"] / seconds["h100"] < 67 / 8.1
