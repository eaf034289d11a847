"""What the profile for SLURM asks of a scheduler: a stand-in notes each request and refuses it."""

import os
import re

import pytest
import yaml

from advdim.config import load
from advdim.planning.costs import MOST_STARTS
from advdim.results import all_results
from advdim.stages.job import make
from tests.workflow.conftest import ROOT, Workflow

PROFILE = ROOT / "profiles/slurm"
COMMANDS = {
    "sbatch": 'echo "$@" >>"$REQUESTS"; echo refused >&2; exit 1',
    "scontrol": "echo MinJobAge = 300 sec",
    "squeue": "",
    "sinfo": "echo 'main*'",
    "sacct": "exit 1",
}


@pytest.fixture
def requests(raw_config, tmp_path, monkeypatch):
    """Return a function from options to the requests of a sweep whose pixels are made."""
    commands, noted = tmp_path / "bin", tmp_path / "requests"
    commands.mkdir()
    for name, does in COMMANDS.items():
        (commands / name).write_text(f"#!/bin/sh\n{does}\n")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("REQUESTS", str(noted))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    workflow = Workflow(tmp_path, raw_config)
    config = load({**raw_config, "results": str(workflow.results)})
    for result in all_results(config):
        if result.stage == "pixels":
            make(config, result)

    def ask(*options, settings=()):
        noted.write_text("")
        workflow.run(
            "--profile", str(PROFILE), "--retries", "0",
            "--slurm-init-seconds-before-status-checks", "1",
            "--config", "device=cuda", *settings, *options,
            check=False,
        )  # fmt: skip
        return noted.read_text().splitlines()

    return ask


def of(requests, group):
    return [request for request in requests if re.search(rf"--comment rule_\S*{group}", request)]


def numbers(requests, pattern):
    return [int(number) for request in requests for number in re.findall(pattern, request)]


@pytest.mark.parametrize("options", [(), ("--resources", "gpu_mb=40000")])
def test_a_group_asks_for_what_one_member_needs(requests, options):
    (seen,) = of(requests(*options), "seconds")
    assert numbers([seen], r"--gpus=(\d+)") == [1]
    assert numbers([seen], r"--cpus-per-task=(\d+)") == [1]
    # Seven networks, of which four have an attack and bounds each: a second of work apiece.
    assert numbers([seen], r" -t (\d+)") == [7 * 3 + 4 * 2]
    # Its two minutes might be all that it has.
    assert "--signal" not in seen


def test_no_job_asks_for_more_time_than_a_partition_gives(requests):
    slow = ("multiply_adds_per_second=1000",)
    free = of(requests("--resources", "gpu_mb=40000", settings=slow), "train")
    capped = of(requests("--resources", "runtime=90", settings=slow), "train")
    assert min(numbers(free, r" -t (\d+)")) > 90
    # All are submitted at once: the minutes of one job are not taken from those of another.
    assert numbers(capped, r" -t (\d+)") == [90] * 7
    assert all("--signal=TERM@120" in request for request in capped)


@pytest.mark.parametrize("name", ["default", "slurm"])
def test_a_profile_starts_a_result_once_more_than_it_may_end(name):
    profile = yaml.safe_load((ROOT / f"profiles/{name}/config.yaml").read_text())
    assert profile["retries"] == MOST_STARTS
