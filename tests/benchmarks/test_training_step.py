"""``make benchmark`` at a tiny size: rows of what the device has, and what it lacks in words."""

import importlib
import json
import os
from pathlib import Path

import pytest

from advdim.networks.precision import CRAFTING, precision_used
from tests.forked import python

ROOT = Path(__file__).parents[2]
TINY = [
    "--network", "tiny", "--sizes", 8, "--batch-size", 2, "--steps", 1, "--rounds", 1,
    "--matrix", 64, "--methods", "pgd_linf",
]  # fmt: skip


def run(*options):
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}"}
    file = ROOT / "benchmarks/training_step.py"
    return python(file, *TINY, *map(str, options), folder=ROOT, environment=environment)


def test_a_processor_times_what_it_has_and_says_what_it_lacks(tmp_path):
    done = run("--device", "cpu", "--figure", tmp_path / "steps.png")
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    there = {precision for precision in CRAFTING if precision_used(precision, "cpu") == precision}
    rows = {row["variant"]: row for row in measured["rows"]}
    assert set(rows) == {"plain"} | there
    for row in rows.values():
        ratio = rows["plain"]["seconds"] / row["seconds"]
        assert row["times_the_plain_step"] == pytest.approx(ratio)
    lacking = {"computed", *CRAFTING} - there
    assert {sentence.split(":")[0] for sentence in measured["skipped"]} == lacking
    assert "tf32: cpu has no tf32 that is faster than float32" in measured["skipped"]
    assert (tmp_path / "steps.png").stat().st_size > 1000


def test_what_a_failed_step_said_reaches_the_user():
    done = run("--device", "nonsense", "--variants", "plain")
    assert done.returncode == 1
    measured = json.loads(done.stdout)
    assert measured["rows"] == []
    (sentence,) = measured["skipped"]
    assert sentence.startswith("step of pgd_linf at 8 pixels, plain: RuntimeError")
    assert "Traceback" in done.stderr
    assert sentence.split(": ", 1)[1] in done.stderr


def test_a_width_takes_the_place_of_the_networks_own(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    timed_step = importlib.import_module("timed_step")
    wide, own = (timed_step.architecture("maxpool8", width) for width in (16, None))
    assert (wide.width, own.width) == (16, 64)
    assert wide.pool_after == own.pool_after
