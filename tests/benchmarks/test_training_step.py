"""``make benchmark`` at a tiny size: rows of what the device has, and what it lacks in words."""

import json

import pytest

from advdim.networks.precision import CRAFTING, precision_used

TINY = [
    "--network", "tiny", "--sizes", "8", "--batch-size", "2", "--steps", "1", "--rounds", "1",
    "--matrix", "64", "--methods", "pgd_linf",
]  # fmt: skip


@pytest.fixture
def run(benchmark_module, forked_processes, capsys):
    """Return a function of options that returns the command's status and what it printed."""
    main = benchmark_module("training_step").main
    return lambda *options: (main([*TINY, *options]), capsys.readouterr())


def test_a_processor_times_what_it_has_and_says_what_it_lacks(tmp_path, run):
    status, printed = run("--device", "cpu", "--figure", str(tmp_path / "steps.png"))
    assert status == 0, printed.err
    measured = json.loads(printed.out)
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


def test_what_a_failed_step_said_reaches_the_user(run):
    status, printed = run("--device", "nonsense", "--variants", "plain")
    assert status == 1
    measured = json.loads(printed.out)
    assert measured["rows"] == []
    (sentence,) = measured["skipped"]
    assert sentence.startswith("step of pgd_linf at 8 pixels, plain: RuntimeError")
    assert "Traceback" in printed.err
    assert sentence.split(": ", 1)[1] in printed.err


def test_a_width_takes_the_place_of_the_networks_own(benchmark_module):
    timed_step = benchmark_module("timed_step")
    wide, own = (timed_step.architecture("maxpool8", width) for width in (16, None))
    assert (wide.width, own.width) == (16, 64)
    assert wide.pool_after == own.pool_after
