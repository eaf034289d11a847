"""``make gpu`` without a GPU: one sentence, and all of it at a tiny size on the processor."""

import importlib
import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
import yaml

from tests.forked import python, snakemake

ROOT = Path(__file__).parents[2]


def run(*options):
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}"}
    return python(ROOT / "benchmarks/gpu.py", *options, folder=ROOT, environment=environment)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_it_ends_with_one_sentence(tmp_path):
    done = run("--output", tmp_path / "out")
    assert done.returncode == 1
    assert done.stdout == ""
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("make gpu needs a CUDA device")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    config = yaml.safe_load((ROOT / "benchmarks/gpu_sweep.yaml").read_text())
    config["datasets"]["digits"] |= {"train_images": 64, "test_images": 16}
    config["networks"]["maxpool4"]["width"] = 4
    config["training"]["epochs"] = 1
    few = {"sizes": [8], "epsilons": [0.01], "attacks": [], "figures": []}
    config["experiments"]["dimension"] |= few
    file = tmp_path_factory.mktemp("sweep") / "sweep.yaml"
    file.write_text(yaml.safe_dump(config))
    return file


def test_all_of_it_runs_on_a_processor(tmp_path):
    done = run(
        "--device", "cpu", "--output", tmp_path, "--network", "tiny", "--sizes", 8,
        "--methods", "pgd_linf", "evaluation", "--cells", 2, "--seconds", 0.5,
        "--batch-size", 4, "--steps", 1, "--matrix", 64, "--tests", "tests/test_units.py",
        "--parts", "tests", "twice", "steps", "together",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    measured = json.loads((tmp_path / "measured.json").read_text())
    assert measured["tests"]["passed"]
    assert measured["twice"] == {"pgd_linf": dict.fromkeys(("network", "samples", "epochs"), True)}
    rows = {(row["method"], row["variant"]): row for row in measured["steps"]}
    assert {("pgd_linf", "plain"), ("pgd_linf", "float32"), ("evaluation", "float32")} <= set(rows)
    for row in rows.values():
        assert row["of_matrix_rate"] > 0
        assert row["times_the_plain_step"] == pytest.approx(
            rows[row["method"], "plain"]["seconds"] / row["seconds"]
        )
    assert [row["cells"] for row in measured["together"]] == [2]
    assert all(row["images_per_second"] > 0 for row in measured["together"])
    # a processor has no TF32, and the page says what was left out
    assert any("pgd_linf at 8 pixels, tf32: cpu has no tf32" in s for s in measured["skipped"])
    page = (tmp_path / "page.md").read_text()
    assert all(sentence in page for sentence in measured["skipped"])
    assert "- `pgd_linf`: the same bits" in page
    assert (tmp_path / "gpu.png").stat().st_size > 1000


def test_its_sweep_runs_to_the_report(tmp_path, sweep, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    gpu = importlib.import_module("gpu")

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess:
        environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}"}
        return snakemake(*command[3:], folder=tmp_path, environment=environment)

    monkeypatch.setattr(gpu.subprocess, "run", run)
    options = ["--device", "cpu", "--output", str(tmp_path), "--sweep", str(sweep)]
    assert gpu.main([*options, "--parts", "sweep"]) == 0
    measured = json.loads((tmp_path / "measured.json").read_text())
    assert measured["skipped"] == []
    assert measured["sweep"]["report"]
    (cell,) = measured["sweep"]["cells"]
    assert (cell["status"], cell["precision"]) == ("done", "float32")
    assert "1 of 1 cells done" in (tmp_path / "page.md").read_text()


def test_what_there_is_no_time_for_is_said(tmp_path, sweep):
    done = run("--device", "cpu", "--output", tmp_path, "--minutes", 0, "--sweep", sweep)
    assert done.returncode == 0, done.stderr
    skipped = json.loads((tmp_path / "measured.json").read_text())["skipped"]
    assert [line.split(":")[0] for line in skipped] == [
        "tests", "twice", "steps", "together", "sweep"
    ]  # fmt: skip
    assert "no time was left of 0 minutes" in (tmp_path / "page.md").read_text()
