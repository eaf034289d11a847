"""``make gpu`` without a GPU: one sentence, and all of it at a tiny size on the processor."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
import yaml

from tests.forked import own_source, python

ROOT = Path(__file__).parents[2]


def run(*options):
    return python(ROOT / "benchmarks/gpu.py", *options, folder=ROOT, environment=own_source())


@pytest.fixture
def gpu(benchmark_module, monkeypatch):
    """The module, which knows the device's name without asking for it."""
    module = benchmark_module("gpu")
    monkeypatch.setattr(module, "device_name", lambda _: "a device")
    return module


def test_the_command_installs_what_its_tests_need():
    command = ["make", "--dry-run", "--what-if", "envs/development.txt", "gpu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "-r envs/development.txt" in done.stdout


def measured(folder):
    return json.loads((folder / "measured.json").read_text())


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


@pytest.mark.usefixtures("forked_processes")
def test_all_of_it_runs_on_a_processor(tmp_path, gpu, sweep):
    options = [
        "--device", "cpu", "--output", str(tmp_path), "--network", "tiny", "--sizes", "8",
        "--methods", "pgd_linf", "evaluation", "--cells", "2", "--seconds", "10",
        "--batch-size", "4", "--steps", "1", "--matrix", "64", "--sweep", str(sweep),
        "--tests", "tests/test_units.py",
    ]  # fmt: skip
    assert gpu.main(options) == 0
    found = measured(tmp_path)
    assert found["tests"]["passed"]
    assert "passed" in found["tests"]["summary"]
    assert found["twice"] == {"pgd_linf": dict.fromkeys(("network", "samples", "epochs"), True)}
    rows = {(row["method"], row["variant"]): row for row in found["steps"]}
    assert {("pgd_linf", "plain"), ("pgd_linf", "float32"), ("evaluation", "float32")} <= set(rows)
    for row in rows.values():
        assert row["of_matrix_rate"] > 0
        assert row["times_the_plain_step"] == pytest.approx(
            rows[row["method"], "plain"]["seconds"] / row["seconds"]
        )
    assert [row["cells"] for row in found["together"]] == [2]
    assert all(row["images_per_second"] > 0 for row in found["together"])
    # a processor has no TF32, and the page says what was left out
    assert "tf32: cpu has no tf32 that is faster than float32" in found["skipped"]
    assert found["sweep"]["report"]
    (cell,) = found["sweep"]["cells"]
    assert (cell["status"], cell["precision"]) == ("done", "float32")
    page = (tmp_path / "page.md").read_text()
    assert "1 of 1 cells done" in page
    assert all(sentence in page for sentence in found["skipped"])
    assert "- `pgd_linf`: the same bits" in page
    assert (tmp_path / "gpu.png").stat().st_size > 1000


def test_what_there_is_no_time_for_is_said(tmp_path, gpu):
    assert gpu.main(["--device", "cpu", "--output", str(tmp_path), "--minutes", "0"]) == 0
    skipped = measured(tmp_path)["skipped"]
    assert [line.split(":")[0] for line in skipped] == list(gpu.PARTS)
    assert "no time was left of 0 minutes" in (tmp_path / "page.md").read_text()


FAILING = "def test_of_ours():\n    print('it said so')\n    assert 0\n"


@pytest.mark.parametrize(
    ("tests", "code", "last"),
    [(["test_it.py"], 1, "1 failed"), (["test_it.py", "--nonsense"], 4, "--nonsense")],
)
def test_tests_that_fail_or_do_not_start_end_it_with_an_error(tmp_path, gpu, tests, code, last):
    file = tmp_path / tests[0]
    file.write_text(FAILING)
    options = ["--device", "cpu", "--output", str(tmp_path), "--parts", "tests"]
    assert gpu.main([*options, "--tests", "-c", os.devnull, str(file), *tests[1:]]) == 1
    found = measured(tmp_path)
    (sentence,) = found["failed"]
    assert sentence.startswith(f"tests: pytest ended with code {code}: ")
    said, page = ((tmp_path / name).read_text() for name in ("tests.txt", "page.md"))
    assert last in said
    assert last in page
    assert sentence in page
    if code == 1:
        assert "it said so" in said


def test_tests_that_hang_leave_time_for_the_rest(tmp_path, monkeypatch, gpu):
    monkeypatch.setattr(gpu, "TESTS_SECONDS", 0.2)
    monkeypatch.setitem(gpu.PARTS, "sweep", lambda _: None)
    options = ["--device", "cpu", "--output", str(tmp_path), "--parts", "tests", "sweep"]
    assert gpu.main(options) == 1
    found = measured(tmp_path)
    assert found["failed"] == ["tests: not done in 0.2 seconds"]
    assert "sweep" in found
    assert (tmp_path / "tests.txt").exists()


def same_cell(gpu, monkeypatch, folder, run):
    """Train the cell of one method twice by a function instead; return code and page."""
    monkeypatch.setattr(gpu.processes, "run", run)
    options = ["--device", "cpu", "--output", str(folder), "--methods", "none", "pgd_linf"]
    return gpu.main([*options, "--parts", "twice"]), (folder / "page.md").read_text()


def test_bits_that_differ_end_it_with_an_error(tmp_path, monkeypatch, gpu):
    monkeypatch.setattr(gpu, "_same", lambda name, *_: name != "samples")
    done = subprocess.CompletedProcess([], 0, "epoch 1\n", "a warning\n")
    code, page = same_cell(gpu, monkeypatch, tmp_path, lambda *_: done)
    assert code == 1
    assert measured(tmp_path)["failed"] == [
        f"the same cell of {method} twice: samples differ" for method in ("none", "pgd_linf")
    ]
    assert "- `pgd_linf`: **samples differ**" in page
    assert (tmp_path / "twice.txt").read_text().count("epoch 1\na warning") == 4


def test_a_cell_that_fails_costs_the_others_nothing(tmp_path, monkeypatch, gpu):
    def run(command, *_):
        failed = "none" in command
        return subprocess.CompletedProcess(command, failed, "", "no kernel\n" if failed else "")

    monkeypatch.setattr(gpu, "_same", lambda *_: True)
    code, page = same_cell(gpu, monkeypatch, tmp_path, run)
    assert code == 1
    assert measured(tmp_path)["failed"] == ["a cell of none: no kernel"]
    assert "- `pgd_linf`: the same bits" in page


def test_rows_outlive_a_step_that_fails(tmp_path, monkeypatch, gpu):
    def alone(step, seconds):
        if step.variant == "anchored":
            raise gpu.processes.FailedError("out of memory")
        if step.variant == "bfloat16":
            stop = "operation not permitted when stream is capturing"
            raise gpu.processes.FailedError(f"CUDA error: {stop}")
        if step.variant == "tf32":
            raise subprocess.TimeoutExpired(["python"], seconds)
        return {"seconds": 1.0, "images_per_second": 32.0, "of_matrix_rate": 0.5}

    monkeypatch.setattr("timed_step.Step.alone", alone)
    # nor may this process compute on the device, which it says is there
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: pytest.fail("the device was taken"))
    options = ["--output", str(tmp_path), "--sizes", "32", "--methods", "pgd_linf"]
    assert gpu.main([*options, "--parts", "steps"]) == 1
    found = measured(tmp_path)
    variants = ["plain", "computed", "float32", "bfloat16_backward"]
    assert [row["variant"] for row in found["steps"]] == variants
    assert found["skipped"] == [
        "step of pgd_linf at 32 pixels, tf32: no time was left",
        "step of pgd_linf at 32 pixels, anchored: out of memory",
    ]
    assert found["failed"] == [
        "step of pgd_linf at 32 pixels, bfloat16: CUDA error: operation not permitted when stream "
        "is capturing"
    ]
