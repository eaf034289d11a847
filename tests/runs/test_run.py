"""What a job, whatever process it is, knows of the run that started it."""

import os
import subprocess
import sys

import pytest

from advdim.runs.run import VARIABLE, Run, this_run

ASK = "from advdim.runs.run import this_run; print(this_run().forces('train', ['cells/9999']))"


@pytest.fixture(autouse=True)
def _outside_of_any_run(monkeypatch):
    monkeypatch.setenv(VARIABLE, "")


def forces():
    command = [sys.executable, "-c", ASK]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_job_is_told_of_more_forced_files_than_an_environment_holds(tmp_path):
    Run(name="one", forced=tuple(f"cells/{n}" for n in range(20_000))).publish(tmp_path)
    assert forces() == "True"
    assert this_run().name == "one"
    assert len(os.environ[VARIABLE]) < 4096


def test_outside_of_a_run_and_after_it_nothing_is_forced(tmp_path):
    assert forces() == "False"
    publish = (
        "from pathlib import Path; from advdim.runs.run import Run;"
        f"Run(name='one', all_forced=True).publish(Path({str(tmp_path)!r}))"
    )
    subprocess.run([sys.executable, "-c", publish], check=True)
    assert not list(tmp_path.iterdir())
    os.environ[VARIABLE] = str(tmp_path / "advdim-run-one.json")
    assert this_run() == Run()
