"""The workflow on a real one-node SLURM; run by ``make test-slurm``, which starts it."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from advdim.tables import TABLES, read_table
from tests.workflow.conftest import ROOT, Workflow

pytestmark = pytest.mark.slurm
PROFILE = ROOT / "workflow/profiles/slurm"
# What may differ between two runs of the same cell.
TIMINGS = {"epochs": ["seconds"], "cells": ["seconds"]}
# Trains as any other network; at strength 1000, the only inputs so large, it does not.
FAULTY = """
import os, pathlib, time
import torch
class Faulty(torch.nn.Linear):
    def __init__(self, channels, size, classes, fault):
        super().__init__(channels * size * size, classes)
        self.fault = fault
    def forward(self, inputs):
        if inputs.abs().max() > 100:
            once = pathlib.Path("once")
            if self.fault == "raise":
                raise RuntimeError("this network cannot be trained")
            if self.fault == "hang" and not once.exists():
                once.touch()
                time.sleep(1000)
        return super().forward(inputs.flatten(1))
"""


@pytest.fixture(autouse=True)
def _cluster():
    if shutil.which("sinfo") is None or subprocess.run(["sinfo"], capture_output=True).returncode:
        pytest.fail("no SLURM answers: run make test-slurm")


def slurm(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def same_tables(one: Workflow, other: Workflow) -> None:
    for table in TABLES:
        paths = [w.results / "tables" / f"{table}.parquet" for w in (one, other)]
        if any(path.exists() for path in paths):
            left, right = (read_table(path).drop(columns=TIMINGS.get(table, [])) for path in paths)
            pd.testing.assert_frame_equal(left, right)


def long_cell(raw: dict, epochs: int = 800) -> dict:
    """A sweep of one cell that trains for about half a minute, and of nothing else."""
    raw["experiments"] = {"dimension": {**raw["experiments"]["dimension"], "sizes": [16]}}
    raw["experiments"]["dimension"] |= {
        "epsilons": [0.01], "attacks": [], "bounds": False, "figures": []
    }  # fmt: skip
    del raw["initialisation"]
    raw["training"] |= {"epochs": epochs, "halve_every": epochs // 2}
    raw["training"]["measurement"]["every"] = epochs // 2
    return raw


def faulty_cells(raw: dict, folder: Path, fault: str) -> Workflow:
    """A sweep of three cells that share a job, the second of which has a fault."""
    workflow = Workflow(folder, raw)
    (folder / "faulty.py").write_text(FAULTY)
    workflow.python_path = [folder]
    raw["networks"] = {
        "faulty": {"kind": "module", "module": "faulty:Faulty", "arguments": {"fault": fault}}
    }
    del raw["initialisation"]
    raw["experiments"] = {
        "faulty": {
            "dataset": "digits",
            "network": "faulty",
            "sizes": [8],
            "epsilons": [0.01, 1000, 0.02],
        }
    }
    return workflow


def wait_for(condition, seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.2)


def training_logs(workflow: Workflow) -> str:
    return "\n".join(path.read_text() for path in workflow.results.rglob("logs/train/**/*.log"))


def trains(workflow: Workflow, epoch: int) -> None:
    """Wait until a cell has trained for some epochs."""
    wait_for(lambda: re.search(f"epoch {epoch}/", training_logs(workflow)))


def submitted_rules() -> Counter:
    """How many jobs of each rule the scheduler has seen, by the executor's comment on each."""
    comments = slurm("squeue", "-h", "-t", "all", "-o", "%k").splitlines()
    return Counter(re.fullmatch("rule_(.+?)(_wildcards_.*)?", line)[1] for line in comments)


def training_job() -> str:
    listed = slurm("squeue", "-h", "-t", "RUNNING", "-o", "%i %k").splitlines()
    (job,) = [line.split()[0] for line in listed if "train_batch" in line]
    return job


def test_tables_are_those_of_a_local_run(raw_config, tmp_path):
    local, cluster = (Workflow(tmp_path / name, raw_config) for name in ("local", "cluster"))
    for workflow in (local, cluster):
        workflow.folder.mkdir()
    local.run("--cores", "2")
    before = submitted_rules()
    cluster.run("--profile", str(PROFILE))
    same_tables(local, cluster)
    # Seven cells share three jobs, four of their attacks two; what takes seconds runs here.
    assert submitted_rules() - before == {
        "pixels": 2,
        "train_batch": 3,
        "attack_batch": 2,
        "bounds": 4,
        "examples": 1,
        "initialisation": 1,
    }
    assert cluster.counts() == {}


def test_a_cell_that_is_cancelled_then_killed_continues_and_ends_the_same(raw_config, tmp_path):
    config = long_cell(raw_config)
    local, cluster = (Workflow(tmp_path / name, config) for name in ("local", "cluster"))
    for workflow in (local, cluster):
        workflow.folder.mkdir()
    local.run("--cores", "2")
    running = cluster.start("--profile", str(PROFILE))
    trains(cluster, 20)
    slurm("scancel", training_job())
    wait_for(lambda: "resumed at batch" in training_logs(cluster))
    kill_training(cluster)
    output, _ = running.communicate(timeout=300)
    assert running.returncode == 0, output
    assert training_logs(cluster).count("resumed at batch") == 2
    same_tables(local, cluster)


def kill_training(workflow: Workflow) -> None:
    """Kill the process that trains a cell of this workflow as no scheduler would."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
            if b"batch.py" in command and (entry / "cwd").resolve() == workflow.folder.resolve():
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:
            continue


def test_a_cell_out_of_time_is_warned_and_continues(raw_config, tmp_path):
    cluster = Workflow(tmp_path, long_cell(raw_config, epochs=3000))
    cluster.run(
        "--profile", str(PROFILE),
        # Two minutes at first; warned after one, when it has trained for a while.
        "--set-resources", "train_batch:runtime=attempt*2",
        "train_batch:slurm_extra='--signal=TERM@60'",
    )  # fmt: skip
    text = training_logs(cluster)
    assert "stopped by a signal" in text
    assert "resumed at batch" in text
    assert "TIMEOUT" not in slurm("squeue", "-h", "-t", "all", "-o", "%T")


def test_a_requeued_job_continues_and_a_drained_node_finishes_it(raw_config, tmp_path):
    cluster = Workflow(tmp_path, long_cell(raw_config, epochs=1200))
    running = cluster.start("--profile", str(PROFILE))
    trains(cluster, 20)
    job = training_job()
    slurm("scontrol", "requeue", job)
    # SLURM waits two minutes before it starts it again, unless it is told to.
    wait_for(lambda: "stopped by a signal" in training_logs(cluster))
    wait_for(lambda: slurm("squeue", "-h", "-j", job, "-o", "%T").strip() == "PENDING")
    slurm("scontrol", "update", f"jobid={job}", "starttime=now")
    wait_for(lambda: "resumed at batch" in training_logs(cluster))
    node = slurm("sinfo", "-h", "-N", "-o", "%N").split()[0]
    slurm("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
    try:
        assert "drain" in slurm("sinfo", "-h", "-n", node, "-o", "%T")
        output, _ = running.communicate(timeout=300)
        assert running.returncode == 0, output
    finally:
        slurm("scontrol", "update", f"nodename={node}", "state=resume")
    # Neither the requeue nor the drain cost more than one start.
    assert training_logs(cluster).count("training dataset=") == 2


def test_a_failing_cell_costs_the_others_of_its_job_nothing(raw_config, tmp_path):
    cluster = faulty_cells(raw_config, tmp_path, "raise")
    done = cluster.run("--profile", str(PROFILE), check=False)
    assert done.returncode
    records = [str(path) for path in (cluster.results / "cells").rglob("run.json")]
    assert len(records) == 2
    assert not any("epsilon=1000" in record for record in records)
    failed = (cluster.results / "failed_cells.txt").read_text()
    assert "epsilon=1000/seed=0/run.json" in failed
    assert "this network cannot be trained" in failed
    # Only the failed one is left to do.
    assert cluster.counts()["train"] == 1


def test_a_hanging_worker_is_ended_and_tried_again(raw_config, tmp_path):
    raw_config["hang_minutes"] = 0.1
    cluster = faulty_cells(raw_config, tmp_path, "hang")
    cluster.run("--profile", str(PROFILE))
    assert len(list((cluster.results / "cells").rglob("run.json"))) == 3
    assert "Timeout (0:00:06" in training_logs(cluster)
