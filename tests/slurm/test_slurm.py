"""The workflow on a real one-node SLURM; run by ``make test-slurm``, which starts it."""

import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from advdim.config import load
from advdim.planning.costs import resources_of
from advdim.results import all_results
from advdim.tables import TABLES, read_table
from tests.workflow.conftest import ROOT, Workflow

pytestmark = pytest.mark.slurm
PROFILE = ROOT / "profiles/slurm"
# A scheduler that nobody else waits for may be asked often.
CLUSTER = ("--profile", str(PROFILE), "--slurm-init-seconds-before-status-checks", "5")
# The time of a long cell does not run out on a slow machine, for a new attempt would hide the rest.
UNHURRIED = ("--set-resources", "train:runtime=20")
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
            if self.fault == "kill" and not once.exists():
                once.touch()
                os.kill(os.getpid(), 9)
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


def submitted() -> dict[str, tuple[str, str, str, str]]:
    """What the scheduler has seen: per job its comment, processors, memory and minutes."""
    rows = slurm("squeue", "-h", "-t", "all", "-o", "%i|%k|%C|%m|%M %l").splitlines()
    return {job: tuple(rest.split("|")) for job, rest in (row.split("|", 1) for row in rows)}


def states_since(before: dict) -> list[str]:
    """The states of the jobs that the scheduler has got since."""
    rows = [row.split() for row in slurm("squeue", "-h", "-t", "all", "-o", "%i %T").splitlines()]
    return [state for job, state in rows if job not in before]


def training_job() -> str:
    listed = slurm("squeue", "-h", "-t", "RUNNING", "-o", "%i %k").splitlines()
    (job,) = [line.split()[0] for line in listed if re.search("seconds|train", line)]
    return job


def test_short_cells_share_jobs_and_tables_are_those_of_a_local_run(raw_config, tmp_path):
    local, cluster = (Workflow(tmp_path / name, raw_config) for name in ("local", "cluster"))
    for workflow in (local, cluster):
        workflow.folder.mkdir()
    local.run("--cores", "2")
    before = submitted()
    cluster.run(*CLUSTER, "--group-components", "seconds=3", "initialisation=4")
    same_tables(local, cluster)
    new = {job: row for job, row in submitted().items() if job not in before}
    # Seven cells, of which four with an attack and bounds each.
    groups = [row for row in new.values() if "seconds" in row[0]]
    assert len(groups) == math.ceil(7 / 3)
    # One member's processors and memory, whatever there are of them.
    assert {row[1] for row in groups} == {"1"}
    largest = max(
        resources_of(load(raw_config), result, 1)["mem_mb"]
        for result in all_results(load(raw_config))
        if result.stage != "pixels"
    )
    assert {int(row[2].removesuffix("M")) <= largest for row in groups} == {True}
    assert cluster.counts() == {}


def test_a_cell_that_is_cancelled_then_killed_continues_and_ends_the_same(raw_config, tmp_path):
    config = long_cell(raw_config)
    local, cluster = (Workflow(tmp_path / name, config) for name in ("local", "cluster"))
    for workflow in (local, cluster):
        workflow.folder.mkdir()
    local.run("--cores", "2")
    running = cluster.start(*CLUSTER, *UNHURRIED)
    trains(cluster, 20)
    slurm("scancel", training_job())
    wait_for(lambda: "resumed at batch" in training_logs(cluster))
    kill_training(cluster)
    output, _ = running.communicate(timeout=600)
    assert running.returncode == 0, output
    assert "resumed at batch" in training_logs(cluster)
    same_tables(local, cluster)


def kill_training(workflow: Workflow) -> None:
    """Kill the process that trains a cell of this workflow as no scheduler would."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
            if b"result.py" in command and (entry / "cwd").resolve() == workflow.folder.resolve():
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:
            continue


def ends_in(seconds: int) -> None:
    """Leave the job that trains so much time, however fast this machine is."""
    slurm("scontrol", "update", f"jobid={training_job()}", f"endtime=now+{seconds}")


def test_a_cell_out_of_time_is_warned_and_continues(raw_config, tmp_path):
    cluster, before = Workflow(tmp_path, long_cell(raw_config, epochs=3000)), submitted()
    running = cluster.start(*CLUSTER, *UNHURRIED, "train:slurm_extra='--signal=TERM@60'")
    trains(cluster, 20)
    # It is warned as soon as the scheduler looks, which it does every half a minute.
    ends_in(60)
    output, _ = running.communicate(timeout=600)
    assert running.returncode == 0, output
    assert "resumed at batch" in training_logs(cluster)
    assert "TIMEOUT" not in states_since(before)


def test_a_requeued_job_continues_and_a_drained_node_finishes_it(raw_config, tmp_path):
    cluster = Workflow(tmp_path, long_cell(raw_config, epochs=1200))
    running = cluster.start(*CLUSTER, *UNHURRIED)
    trains(cluster, 20)
    job = training_job()
    slurm("scontrol", "requeue", job)
    # SLURM waits two minutes before it starts it again, unless it is told to.
    wait_for(lambda: slurm("squeue", "-h", "-j", job, "-o", "%T").strip() == "PENDING")
    slurm("scontrol", "update", f"jobid={job}", "starttime=now")
    wait_for(lambda: "resumed at batch" in training_logs(cluster))
    node = slurm("sinfo", "-h", "-N", "-o", "%N").split()[0]
    slurm("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
    try:
        assert "drain" in slurm("sinfo", "-h", "-n", node, "-o", "%T")
        output, _ = running.communicate(timeout=600)
        assert running.returncode == 0, output
    finally:
        slurm("scontrol", "update", f"nodename={node}", "state=resume")
    assert training_logs(cluster).count("training dataset=") == 1


def test_a_group_out_of_time_writes_its_state_and_continues(raw_config, tmp_path):
    cluster, before = Workflow(tmp_path, long_cell(raw_config, epochs=2000)), submitted()
    running = cluster.start(*CLUSTER, *UNHURRIED)
    trains(cluster, 20)
    # Before the first checkpoint on the way, which comes after two minutes.
    ends_in(1)
    output, _ = running.communicate(timeout=600)
    assert running.returncode == 0, output
    assert "resumed at batch" in training_logs(cluster)
    assert "TIMEOUT" in states_since(before)


def test_a_failing_cell_costs_the_others_of_its_job_nothing(raw_config, tmp_path):
    cluster = faulty_cells(raw_config, tmp_path, "raise")
    done = cluster.run(*CLUSTER, check=False)
    assert done.returncode
    assert "1 failed; everything else is made" in done.stderr
    cells = read_table(cluster.results / "tables/cells.parquet")
    assert sorted(cells["status"]) == ["done", "done", "failed"]
    failed = (cluster.results / "failed.txt").read_text()
    assert "epsilon=1000/seed=0: RuntimeError: this network cannot be trained" in failed
    assert f"--profile {PROFILE}" in failed
    # Only the failed one is left to do.
    assert cluster.counts()["train"] == 1


@pytest.mark.parametrize("fault", ["hang", "kill"])
def test_a_member_that_hangs_or_is_killed_is_tried_again_alone(raw_config, tmp_path, fault):
    # Longer than it takes to load libraries on a busy machine.
    raw_config["hang_minutes"] = 0.75
    cluster = faulty_cells(raw_config, tmp_path, fault)
    cluster.run(*CLUSTER)
    cells = read_table(cluster.results / "tables/cells.parquet")
    assert list(cells["status"]) == ["done"] * 3
    assert len(cluster.logs()) == 3


def test_what_a_profile_sets_stays_when_a_user_adds_options(raw_config, tmp_path):
    cluster = Workflow(tmp_path, long_cell(raw_config, epochs=10))
    done = cluster.run(
        *CLUSTER, "--config", "device=cpu", "--verbose", "--until", "train",
        "--resources", "gpu_mb=40000", "runtime=9",
        "--default-resources", "slurm_partition=main", "runtime=7",
        "--set-resources", "train:mem_mb=0",
    )  # fmt: skip
    calls = re.findall(r"sbatch call: (.*)", done.stdout + done.stderr)
    assert len(calls) == 2
    assert all("-p main" in call and "--cpus-per-task=1 " in call for call in calls)
    # A job of its own is warned; one that short cells share is told when its time is over.
    (training,) = [call for call in calls if "rule_seconds_train" in call]
    (pixels,) = [call for call in calls if call != training]
    assert "--signal=TERM@120" in pixels
    assert "--signal" not in training
    # No more than a partition gives.
    assert " -t 9 " in pixels
    # Where memory may not be asked for, it is not.
    assert "--mem" not in training


def test_a_forced_rule_is_made_again_on_the_cluster_once(raw_config, tmp_path):
    cluster = Workflow(tmp_path, long_cell(raw_config, epochs=10))
    cluster.run(*CLUSTER)
    before = next(cluster.results.rglob("run.json")).stat().st_mtime_ns
    cluster.run(*CLUSTER, "-R", "train", "--until", "train")
    assert next(cluster.results.rglob("run.json")).stat().st_mtime_ns > before
    assert training_logs(cluster).count("training dataset=") == 1
    assert "INFO current" not in training_logs(cluster)


def test_the_driver_may_be_a_job_itself(raw_config, tmp_path):
    """Where no process may stay on the login node."""
    cluster = Workflow(tmp_path, long_cell(raw_config, epochs=10))
    command = cluster.command(*CLUSTER, "--until", "train")
    job = ["--mem=4G", "--output=driver.txt", "--wrap", shlex.join(command["args"])]
    subprocess.run(
        ["sbatch", "--wait", *job],
        cwd=command["cwd"], env=command["env"], check=True, timeout=300,
    )  # fmt: skip
    assert training_logs(cluster).count("training dataset=") == 1
    assert "(Rule: train)" in (tmp_path / "driver.txt").read_text()
