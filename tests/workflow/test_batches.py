"""Results that share jobs, as Snakemake sees them."""

import re
import shutil
from datetime import datetime
from itertools import pairwise

import pytest

from tests.workflow.conftest import ROOT, Workflow
from tests.workflow.test_workflow import FIGURES_AGAIN, SANDWICH_AGAIN, TABLES_AGAIN

PROFILES = ROOT / "workflow/profiles"


def resources(output: str, rule: str) -> dict[str, str]:
    """Return the resources of the first job of a rule in a dry run that prints rules."""
    text = output[output.index(f"rule {rule}:") :]
    (line,) = re.findall(r"resources: (.*)", text)[:1]
    return dict(pair.split("=", 1) for pair in line.split(", ") if "=" in pair)


def test_only_what_is_missing_shares_jobs(workflow):
    workflow.config["experiments"]["dimension"]["epsilons"] += [0.1, 0.2]
    # Two new cells at each of two sizes; the finished ones of the same kind are in no batch.
    assert workflow.counts(batches=True) == {
        "train_batch": 2, "train": 4, "attack_batch": 2, "attack": 4, "bounds": 4,
        **TABLES_AGAIN, **SANDWICH_AGAIN, **FIGURES_AGAIN,
    }  # fmt: skip
    workflow.config["cells_per_job"] = 1
    counts = workflow.counts(batches=True)
    assert (counts["train_batch"], counts["attack_batch"]) == (4, 4)


def test_forced_results_are_made_again_with_all_that_reads_them(finished):
    done = finished.run("-n", "--quiet", "rules", "-R", "train")
    for row in (r"train_batch +3", r"train +7", r"attack_batch +2", r"attack +4"):
        assert re.search(rf"^{row}$", done.stdout + done.stderr, flags=re.MULTILINE)


def test_nothing_is_kept_twice_after_a_run(finished):
    assert not (finished.results / "kept").exists()
    assert not (finished.results / "batches").exists()


def test_deleted_pixels_are_made_again_and_train_nothing_again(workflow):
    shutil.rmtree(workflow.results / "pixels")
    assert workflow.counts() == {}
    workflow.config["experiments"]["regularisation"]["epsilons"].append(0.1)
    done = workflow.run("--cores", "2")
    assert "Report in" in done.stdout
    logs = {path: path.read_text() for path in workflow.results.rglob("logs/train/**/*.log")}
    assert len(logs) == 9
    assert {text.count("training dataset=") for text in logs.values()} == {1}
    assert workflow.counts() == {}


def test_a_gpu_is_shared_up_to_its_memory(raw_config, tmp_path):
    raw_config["experiments"] = {"dimension": raw_config["experiments"]["dimension"]}
    raw_config["experiments"]["dimension"] |= {"sizes": [8], "epsilons": [0, 0.01, 0.1]}
    raw_config |= {"cells_per_job": 1}
    workflow = Workflow(tmp_path, raw_config)
    profile = ["--profile", str(PROFILES / "gpu")]
    shown = workflow.run("-n", "--workflow-profile", "none", *profile).stdout
    asked = int(resources(shown, "train_batch")["gpu_mb"])
    assert "gpu_mb" not in resources(shown, "pixels")
    # Room for one and a half: one after the other, though there are cores for all.
    room = f"gpu_mb={asked + asked // 2}"
    workflow.run(*profile, "--resources", room, "--cores", "3", "--until", "train")
    spans = []
    for path in workflow.results.rglob("logs/batches/train/*.log"):
        times = re.findall(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) ", path.read_text(), re.M)
        read = [datetime.strptime(time, "%Y-%m-%d %H:%M:%S,%f") for time in times]
        spans.append((min(read), max(read)))
    assert len(spans) == 3
    spans.sort()
    assert all(ended < begun for (_, ended), (begun, _) in pairwise(spans))


def test_the_slurm_profile_takes_what_a_user_fills_in(raw_config, tmp_path):
    pytest.importorskip("snakemake_executor_plugin_slurm")
    text = (PROFILES / "slurm/config.yaml").read_text()
    lines = {
        "  # slurm_account: my_account": "  slurm_account: physics",
        "  # slurm_partition: gpu": "  slurm_partition: long",
        "  # qos: normal": "  qos: high",
        "# set-resources:": "set-resources:",
        "#   train_batch:": "  train_batch:",
        "#   attack_batch:": "  attack_batch:",
        "#   examples:": "  examples:",
    }
    for given, edited in lines.items():
        assert text.count(given) == 1
        text = text.replace(given, edited)
    profile = tmp_path / "profile"
    profile.mkdir()
    (profile / "config.yaml").write_text(text)
    workflow = Workflow(tmp_path, raw_config)
    shown = workflow.run("-n", "--workflow-profile", "none", "--profile", str(profile)).stdout
    for rule in ("train_batch", "attack_batch", "examples"):
        asked = resources(shown, rule)
        assert asked["slurm_account"] == "physics"
        assert asked["slurm_partition"] == "long"
        assert asked["qos"] == "high"
        assert asked["gres"] == "gpu:1"
        assert asked["slurm_extra"] == "--signal=TERM@120"
    assert "gres" not in resources(shown, "pixels")
