"""What ``advdim status`` prints, for sweeps of every age, in time and width."""

import os
import re
import resource
import subprocess
import sys
import time

import pytest
import yaml
from filelock import FileLock

from advdim.__main__ import main
from advdim.config import load
from advdim.results import all_results
from tests.test_results import EVERYTHING, finish, finish_all

TOTAL = sum(EVERYTHING.values())


@pytest.fixture
def sweep(raw_config, tmp_path, monkeypatch):
    """Return a function that writes the sweep's file and reads it; called from another folder."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    def write():
        raw_config["results"] = str(tmp_path / "results")
        (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(raw_config))
        return load(raw_config)

    return write


@pytest.fixture
def said(capsys):
    def run(*options):
        assert main(["status", "../sweep.yaml", *options]) == 0
        printed = capsys.readouterr()
        assert printed.err == ""
        return printed.out

    return run


def rows(out):
    """Return the table as numbers by stage and column."""
    header, *lines = re.findall(r"^(?:stage|\w+ +\d).*$", out, flags=re.MULTILINE)
    names = re.split(r" {2,}", header.strip())
    found = [line.split() for line in lines if len(line.split()) == len(names)]
    return {row[0]: dict(zip(names[1:], map(int, row[1:]), strict=True)) for row in found}


def test_before_anything_has_run(sweep, said, tmp_path):
    sweep()
    out = said()
    assert out.startswith(f"0 of {TOTAL} results are made, in {tmp_path}/results\n")
    table = rows(out)
    assert {stage: row["waiting"] for stage, row in table.items()} == EVERYTHING
    assert all(row["all"] == row["waiting"] for row in table.values())
    assert (
        "Told by finished results of the same kind: 0; guessed, where none of the kind is "
        "finished: 16; unknown and not counted: 2." in " ".join(out.split())
    )
    assert not (tmp_path / "results").exists()


def test_after_everything(sweep, said):
    finish_all(sweep())
    out = said()
    assert {stage: row["done"] for stage, row in rows(out).items()} == EVERYTHING
    assert out.endswith(
        "\n\nEvery result is made; tables, figures and report are Snakemake's to renew.\n"
    )
    assert "Running" not in out
    assert "Failed" not in out


def test_while_it_runs(sweep, said):
    config = sweep()
    trains = [result for result in all_results(config) if result.stage == "train"]
    for result in all_results(config):
        if result.stage == "pixels":
            finish(config, result, seconds=1.0)
    strided = [result for result in trains if result.cell.network == "strided4"]
    finish(config, strided[0], seconds=100.0)
    finish(config, strided[1], status="failed", error="RuntimeError: no such thing", seconds=1.0)
    running = trains[0]
    running.unfinished(config).mkdir(parents=True)
    start = running.unfinished(config) / "ended-1"
    start.touch()
    os.utime(start, (time.time() - 300, time.time() - 300))
    log = running.log(config)
    log.parent.mkdir(parents=True)
    log.write_text(
        f"2026-01-01 00:00:00,000 INFO training {running.cell.directory} on a processor\n"
        "2026-01-01 00:00:10,000 INFO epoch 1/3: objective 1.0, validation accuracy 0.5, 3600.0 s\n"
    )
    with FileLock(running.unfinished(config) / "lock"):
        out = said()
    row = rows(out)["train"]
    assert row == {
        "all": 7, "done": 1, "diverged": 0, "failed": 1, "left out": 0, "running": 1, "stopped": 0,
        "waiting": 4,
    }  # fmt: skip
    below = out.split("\nRunning:\n")[1]
    assert f"  train {running.name}\n" in below
    assert "1 of 3 epochs, for 5 minutes, about 2.0 hours left\n" in below
    failed = below.split("\nFailed; the next run tries them again:\n")[1]
    assert f"  train {strided[1].name}\n      RuntimeError: no such thing\n" in failed
    assert f"Logs: {config.results}/logs/STAGE/NAME.log" in failed
    named = f"{config.results}/logs/STAGE/NAME.log".replace("STAGE", "train")
    assert named.replace("NAME", strided[1].name) == str(strided[1].log(config))


def test_lines_fit_and_lists_are_cut_unless_all_is_wanted(raw_config, sweep, said):
    name = "a_network_whose_name_is_long_since_somebody_wrote_down_what_it_is"
    raw_config["networks"] = {name: raw_config["networks"]["maxpool4"]}
    raw_config["experiments"] = {
        "e": {"dataset": "digits", "network": name, "sizes": [8], "epsilons": [0.01], "seeds": 30}
    }
    del raw_config["initialisation"]
    config = sweep()
    for result in all_results(config):
        if result.stage == "train":
            finish(config, result, status="failed", error="RuntimeError: " + "bad luck " * 30)
    for options, shown in (((), 20), (("--all",), 30)):
        out = said(*options)
        # Paths are not cut, so that they can be pasted.
        lines = [line for line in out.splitlines() if str(config.results) not in line]
        assert max(map(len, lines)) <= 100
        assert out.count("RuntimeError") == shown
        assert out.replace("/\n    ", "/").count(f"train dataset=digits/network={name}/") == shown
        assert ("  and 10 more, with --all\n" in out) == (shown == 20)


def test_what_is_kept_and_what_is_out_of_date_are_told_apart(raw_config, sweep, said):
    config = sweep()
    finish_all(config)
    finish(config, next(r for r in all_results(config) if r.stage == "train"), code_hash="older")
    raw_config["bounds"] = {"images": 4}
    sweep()
    out = " ".join(said().split())
    assert "Waiting, since made with other settings, code or inputs: 4." in out
    assert "Networks of older code, which are kept: 1." in out


def test_a_thousand_cells_take_two_seconds_and_no_torch(raw_config, sweep):
    experiment = {
        "dataset": "digits", "network": "maxpool4", "sizes": [8], "methods": ["pgd_linf"],
        "epsilons": [0.01, 0.02], "seeds": 500,
    }  # fmt: skip
    raw_config["experiments"] = {"e": experiment}
    finish_all(sweep())
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from advdim.__main__ import main; sys.exit(main(['status', '../sweep.yaml']))"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert "Every result is made" in done.stdout
    assert rows(done.stdout.replace(",", ""))["train"]["done"] == 1000
    # Of the processor, since the machine may be busy.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
