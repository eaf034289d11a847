"""What goes wrong in a run, as Snakemake and its user see it."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from advdim.records import read_record
from advdim.tables import read_table
from tests.workflow.conftest import ROOT, Workflow

FAULTY = """
import os, torch
class Fails(torch.nn.Linear):
    def __init__(self, channels, size, classes):
        super().__init__(channels * size * size, classes)
    def forward(self, inputs):
        # Only the cell of strength 1000 sees such inputs.
        if inputs.abs().max() > 100 and not os.path.exists("mended"):
            if os.path.exists("deadly"):
                os.kill(os.getpid(), 9)
            raise RuntimeError("this network cannot be trained")
        return super().forward(inputs.flatten(1))
"""
PROFILE = ("--workflow-profile", str(ROOT / "profiles/default"))


@pytest.fixture
def failing(raw_config, tmp_path):
    """A sweep of two cells, the last of which fails until a file ``mended`` is there."""
    (tmp_path / "faulty.py").write_text(FAULTY)
    raw_config["networks"]["fails"] = {"kind": "module", "module": "faulty:Fails"}
    raw_config["experiments"] = {
        "e": {
            "dataset": "digits", "network": "fails", "sizes": [8], "attacks": ["fgsm"],
            "epsilons": [0, 1000], "figures": ["regularisation_methods"],
        }
    }  # fmt: skip
    del raw_config["initialisation"]
    workflow = Workflow(tmp_path, raw_config)
    workflow.python_path = [tmp_path]
    return workflow


def test_a_failed_cell_is_named_and_everything_else_is_made(failing, tmp_path):
    done = failing.run("--cores", "2", "--config", "device=cpu", *PROFILE, check=False)
    assert done.returncode
    assert "1 failed; everything else is made and names them" in done.stderr
    assert "RuntimeError: this network cannot be trained; see results/logs/train/" in done.stderr
    cells = read_table(tmp_path / "results/tables/cells.parquet")
    assert list(cells["status"]) == ["done", "failed"]
    attacks = read_table(tmp_path / "results/tables/attacks.parquet")
    assert set(attacks["epsilon"]) == {0}
    assert "failed" in (tmp_path / "results/report.html").read_text()
    assert (tmp_path / "results/figures/e/regularisation_methods.png").exists()
    failed = (tmp_path / "results/failed.txt").read_text()
    assert failed.count("epsilon=1000/seed=0: RuntimeError") == 1
    (command,) = re.findall(r"^  (\S.* -- .*)$", failed, flags=re.MULTILINE)
    assert "--config device=cpu" in command
    # Just the failed one and its attack are left; the printed command makes it.
    (tmp_path / "mended").touch()
    counts = failing.counts("--config", "device=cpu")
    assert (counts["train"], counts["attack"]) == (1, 1)
    assert failing.paste(command).returncode == 0
    assert failing.run("--cores", "2", "--config", "device=cpu").returncode == 0
    assert not (tmp_path / "results/failed.txt").exists()
    assert failing.counts("--config", "device=cpu") == {}
    # The others have been trained once.
    assert sum(text.count("training dataset=") for text in failing.logs().values()) == 2


def test_a_cell_that_kills_its_process_each_time_fails_alone(failing, tmp_path):
    (tmp_path / "deadly").touch()
    failing.only("e")
    failing.config["experiments"]["e"]["attacks"] = []
    done = failing.run("--cores", "2", *PROFILE, check=False)
    assert "its process has ended 3 times (killed, or out of memory)" in done.stderr
    assert "1 failed" in done.stderr
    cells = read_table(tmp_path / "results/tables/cells.parquet")
    assert list(cells["status"]) == ["done", "failed"]


TRAINS_ONLY = (*PROFILE, "--until", "train")


@pytest.fixture
def long(once, raw_config, tmp_path):
    """A cell that trains for some seconds: where nothing disturbs it, and where it is to start."""
    raw_config["training"] |= {"epochs": 40, "halve_every": 30}
    raw_config["training"]["measurement"]["every"] = 35
    raw_config["experiments"]["dimension"] |= {"sizes": [16], "epsilons": [0.01]}
    disturbed = Workflow(tmp_path, raw_config)
    disturbed.only("dimension")

    def train(folder: Path) -> None:
        Workflow(folder, disturbed.config).run("--cores", "1", *TRAINS_ONLY)

    return Workflow(once("undisturbed", train), disturbed.config), disturbed


def start_and_wait(workflow: Workflow) -> subprocess.Popen:
    """Start Snakemake and return when its cell trains."""
    running = workflow.start("--cores", "1", *TRAINS_ONLY)
    while not any("epoch 4/" in text for text in workflow.logs().values()):
        assert running.poll() is None
        time.sleep(0.05)
    return running


def same_results(one: Workflow, other: Workflow) -> None:
    (left,), (right,) = (list(w.results.rglob("network.safetensors")) for w in (one, other))
    assert left.read_bytes() == right.read_bytes()
    tables = (read_table(network.with_name("epochs.parquet")) for network in (left, right))
    pd.testing.assert_frame_equal(*(table.drop(columns="seconds") for table in tables))


def test_interrupted_by_hand_it_says_so_and_goes_on(long):
    undisturbed, disturbed = long
    running = start_and_wait(disturbed)
    os.killpg(running.pid, signal.SIGINT)
    output, _ = running.communicate(timeout=60)
    assert running.returncode
    assert output.count("Stopped, to be continued: dataset=digits") == 1
    assert "Traceback" not in output
    assert "failed;" not in output
    disturbed.run("--cores", "1", *TRAINS_ONLY)
    (text,) = disturbed.logs().values()
    assert "resumed at batch" in text
    same_results(undisturbed, disturbed)
    assert not (disturbed.results / "unfinished").exists()


def test_a_training_that_outlived_its_snakemake_has_no_rival(long):
    undisturbed, disturbed = long
    running = start_and_wait(disturbed)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    disturbed.run("--cores", "1", "--unlock")
    disturbed.run("--cores", "1", *TRAINS_ONLY)
    # The next run waited for the orphan, and found what it had made.
    (text,) = disturbed.logs().values()
    assert "INFO current: " in text
    assert "training dataset=" not in text
    same_results(undisturbed, disturbed)


def test_a_whole_killed_group_goes_on(long):
    undisturbed, disturbed = long
    running = start_and_wait(disturbed)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    disturbed.run("--cores", "1", "--unlock")
    disturbed.run("--cores", "1", *TRAINS_ONLY)
    same_results(undisturbed, disturbed)
    assert read_record(next(disturbed.results.rglob("run.json")))["status"] == "done"


@pytest.mark.parametrize("results", ["out put/o'brien/$X/a\"b/", "~/x"])
def test_results_may_lie_in_any_folder(raw_config, tmp_path, monkeypatch, results):
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    raw_config |= {"results": results, "device": "cpu"}
    raw_config["experiments"] = {
        "e": {
            "dataset": "digits", "network": "strided4", "sizes": [8], "epsilons": [0],
            "attacks": ["fgsm"],
        }
    }  # fmt: skip
    del raw_config["initialisation"]
    workflow = Workflow(work, raw_config)
    last = "pixels" if results == "~/x" else "attack"
    workflow.run("--cores", "2", "--until", last)
    folder = home / "x" if results == "~/x" else work / results
    assert len(list(folder.rglob("fgsm.json" if last == "attack" else "size=8.json"))) == 1
    left = {path.name for path in work.iterdir()} - {"sweep.yaml", ".snakemake"}
    assert left <= {results.split("/")[0]} - {"~"}
    assert workflow.counts("--until", last) == {}


@pytest.mark.parametrize(
    ("results", "says"),
    [
        ("", "must name a folder of its own"),
        (".", "must name a folder of its own"),
        ("sweep.yaml", "'sweep.yaml' is a file"),
        ("sweep.yaml/below", "'sweep.yaml' is a file"),
        ("o{1}", "must not hold '{'"),
        ("a*", "must not hold '*'"),
    ],
)
def test_folders_that_cannot_be_are_refused(raw_config, tmp_path, results, says):
    raw_config["results"] = results
    done = Workflow(tmp_path, raw_config).run("-n", check=False)
    assert done.returncode
    assert says in done.stdout + done.stderr
    assert "Config key 'results'" in done.stdout + done.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {"sweep.yaml", ".snakemake"}


def test_threads_of_the_command_line_are_those_of_torch(raw_config, tmp_path):
    (tmp_path / "counts.py").write_text(
        "import torch\n"
        "class Counts(torch.nn.Linear):\n"
        "    def __init__(self, channels, size, classes):\n"
        "        super().__init__(channels * size * size, classes)\n"
        "    def forward(self, inputs):\n"
        "        open('threads', 'w').write(str(torch.get_num_threads()))\n"
        "        return super().forward(inputs.flatten(1))\n"
    )
    raw_config["networks"]["counts"] = {"kind": "module", "module": "counts:Counts"}
    raw_config["experiments"] = {
        "e": {"dataset": "digits", "network": "counts", "sizes": [8], "epsilons": [0]}
    }
    del raw_config["initialisation"]
    workflow = Workflow(tmp_path, raw_config)
    workflow.python_path = [tmp_path]
    workflow.run("--cores", "2", "--set-threads", "train=2", "--until", "train")
    assert (tmp_path / "threads").read_text() == "2"


def test_a_full_disk_ends_the_run_and_costs_nothing_that_was_made(raw_config, tmp_path):
    """The folder of results is a real file system that is too small for the networks."""
    disk = tmp_path / "results"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)]
    if os.geteuid() or shutil.which("mount") is None or subprocess.run(mount).returncode:
        pytest.skip("mounting a file system needs root")
    try:
        workflow = Workflow(tmp_path, raw_config)
        workflow.only("dimension")
        rest = ("--until", "train", "--latency-wait", "1")
        done = workflow.run("--cores", "2", "--keep-going", "--retries", "0", *rest, check=False)
        assert done.returncode
        texts = [text for stage in ("train", "pixels") for text in workflow.logs(stage).values()]
        assert "The disk is full: " in done.stdout + done.stderr + "".join(texts)
        kept = {
            path: path.read_bytes()
            for path in disk.rglob("*.json")
            if "unfinished" not in str(path)
        }
        done_before = [path for path in kept if read_record(path)["status"] == "done"]
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        workflow.run("--cores", "2", "--rerun-incomplete", *rest)
        for path in done_before:
            assert path.read_bytes() == kept[path]
        records = [read_record(path)["status"] for path in disk.rglob("run.json")]
        assert records == ["done"] * 4
    finally:
        subprocess.run(["umount", str(disk)], check=True)
