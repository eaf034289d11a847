"""Cells are killed at random moments; what they leave must lead to the undisturbed result."""

import dataclasses
import multiprocessing
import random
from pathlib import Path

import pandas as pd
import pytest

from advdim.config import load
from advdim.files import write_json
from advdim.results import FILES
from advdim.stages import train
from advdim.stages.pixels import prepare_pixels
from advdim.stages.train import train_cell
from advdim.sweep import Cell
from advdim.tables import read_table

KILLS = 50
CELL = Cell("digits", "maxpool4", 16, "pgd_linf", "0.01", 0)


@pytest.fixture
def config(raw_config):
    raw_config["training"] |= {"epochs": 30, "batch_size": 8, "halve_every": 10}
    raw_config["training"]["measurement"] |= {"every": 5, "summary_epochs": 3}
    return load(raw_config)


def files_in(folder):
    return {name: folder / Path(path).name for name, path in FILES["train"].items()}


def checkpoints_of(files):
    return files["record"].parent / "checkpoints"


def train_with_a_checkpoint_per_batch(config, cell, pixels, files):
    trainer = train.Trainer
    train.Trainer = lambda *a, **k: trainer(*a, **{**k, "checkpoint_seconds": 0})
    write_json(files["record"], train_cell(config, cell, pixels, files, checkpoints_of(files)))


def test_fifty_kills_change_nothing(config, tmp_path):
    pixels = tmp_path / "pixels.safetensors"
    prepare_pixels(config, "digits", 16, pixels)
    draw, kills = random.Random(0), 0
    # A fast machine ends a cell after fewer kills; the next one takes the rest.
    for seed in range(KILLS):
        cell = dataclasses.replace(CELL, seed=seed)
        undisturbed, disturbed = (
            files_in(tmp_path / f"{name}-{seed}") for name in ("undisturbed", "disturbed")
        )
        train_cell(config, cell, pixels, undisturbed, checkpoints_of(undisturbed))
        kills += kill_until_done(config, cell, pixels, disturbed, draw, at_most=KILLS - kills)
        assert not list(tmp_path.rglob(".*.partial"))
        assert disturbed["network"].read_bytes() == undisturbed["network"].read_bytes()
        assert disturbed["samples"].read_bytes() == undisturbed["samples"].read_bytes()
        left, right = (
            read_table(files["epochs"]).drop(columns="seconds")
            for files in (disturbed, undisturbed)
        )
        pd.testing.assert_frame_equal(left, right)
        if kills >= KILLS:
            break
    assert kills >= KILLS


def kill_until_done(config, cell, pixels, files, draw, at_most):
    """Start the cell again and again, kill it at random moments, and return how often."""
    kills, fork = 0, multiprocessing.get_context("fork")
    while True:
        child = fork.Process(
            target=train_with_a_checkpoint_per_batch, args=(config, cell, pixels, files)
        )
        child.start()
        child.join(timeout=draw.uniform(0.02, 0.25) if kills < at_most else None)
        if not child.is_alive():
            assert child.exitcode == 0
            return kills
        child.kill()
        child.join()
        kills += 1
        # Whatever stands under its final name is whole.
        for path in (files["epochs"], files["samples"]):
            if path.exists():
                read_table(path)
