"""The workflow on a real one-node SLURM; run by ``make test-slurm``, which starts it."""

import shutil
import subprocess
import time

import pandas as pd
import pytest

from advdim.tables import TABLES, read_table
from tests.workflow.conftest import ROOT, Workflow

pytestmark = pytest.mark.slurm
PROFILE = ROOT / "workflow/profiles/slurm"
# What may differ between two runs of the same cell.
TIMINGS = {"epochs": ["seconds"], "cells": ["seconds"], "samples": []}


@pytest.fixture(autouse=True)
def _cluster():
    if shutil.which("sinfo") is None or subprocess.run(["sinfo"], capture_output=True).returncode:
        pytest.fail("no SLURM answers: run make test-slurm")


def same_tables(one: Workflow, other: Workflow) -> None:
    for table in TABLES:
        left, right = (read_table(w.results / "tables" / f"{table}.parquet") for w in (one, other))
        drop = TIMINGS[table]
        pd.testing.assert_frame_equal(left.drop(columns=drop), right.drop(columns=drop))


def long_cell(raw: dict) -> dict:
    """A sweep of one cell that trains for about half a minute."""
    raw["experiments"] = {"dimension": {**raw["experiments"]["dimension"], "sizes": [16]}}
    raw["experiments"]["dimension"]["epsilons"] = [0.01]
    raw["training"] |= {"epochs": 800, "halve_every": 400}
    raw["training"]["measurement"]["every"] = 400
    return raw


def wait_for(condition, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.2)


def training_job() -> str:
    listed = subprocess.run(
        ["squeue", "-h", "-t", "RUNNING", "-o", "%i %k"], capture_output=True, text=True
    )
    jobs = [line.split()[0] for line in listed.stdout.splitlines() if "train" in line]
    return jobs[0] if jobs else ""


def test_tables_are_those_of_a_local_run(raw_config, tmp_path):
    local, cluster = (Workflow(tmp_path / name, raw_config) for name in ("local", "cluster"))
    for workflow in (local, cluster):
        workflow.folder.mkdir()
    local.run("--cores", "2")
    cluster.run("--profile", str(PROFILE))
    same_tables(local, cluster)


def test_a_cancelled_cell_continues_and_ends_the_same(raw_config, tmp_path):
    config = long_cell(raw_config)
    local, cluster = (Workflow(tmp_path / name, config) for name in ("local", "cluster"))
    for workflow in (local, cluster):
        workflow.folder.mkdir()
    local.run("--cores", "2")
    running = cluster.start("--profile", str(PROFILE))
    log = cluster.results / "logs/train"
    wait_for(lambda: any("epoch 20/" in p.read_text() for p in log.rglob("*.log")))
    job = training_job()
    assert job
    subprocess.run(["scancel", job], check=True)
    output, _ = running.communicate(timeout=300)
    assert running.returncode == 0, output
    (text,) = [p.read_text() for p in log.rglob("*.log")]
    assert "resumed at batch" in text
    same_tables(local, cluster)
