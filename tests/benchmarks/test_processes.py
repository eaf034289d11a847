"""Processes of the benchmarks end with all they started."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

# A shell whose own child says its number and would go on for minutes.
CHILD = "sleep 300 & echo $!; "


@pytest.fixture
def processes(benchmark_module):
    return benchmark_module("processes")


def running(number):
    try:
        state = Path(f"/proc/{number}/stat").read_text().split()[2]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_ended(number):
    end = time.monotonic() + 10
    while running(number):
        assert time.monotonic() < end, "a process was left"
        time.sleep(0.01)


# the second's own process has ended, and its child holds the pipes open
@pytest.mark.parametrize("then", ["wait", "exit 0"])
def test_no_time_left_ends_the_whole_group_and_keeps_what_was_said(processes, then):
    with pytest.raises(subprocess.TimeoutExpired) as late:
        processes.run(["sh", "-c", CHILD + then], seconds=1)
    wait_until_ended(int(late.value.stdout))


def test_what_is_left_of_a_group_ends_with_its_process(processes):
    done = processes.run(["sh", "-c", "sleep 300 >/dev/null 2>&1 & echo $!"], seconds=60)
    wait_until_ended(int(processes.output(done)))


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("import sys; print('much'); sys.exit('first\\nno memory')", "no memory"),
        ("import os; os._exit(3)", "it ended with code 3"),
        (
            "import sys; sys.exit('x: CUDA error: lost\\nCompile with checks')",
            "x: CUDA error: lost",
        ),
    ],
)
def test_an_error_is_the_last_line_that_was_said(processes, program, sentence):
    done = processes.run([sys.executable, "-c", program])
    with pytest.raises(processes.FailedError) as failed:
        processes.output(done)
    assert str(failed.value) == sentence


def test_a_clock_cuts_and_ends(processes):
    clock = processes.Clock(1)
    assert 50 < clock.left() <= 60
    assert clock.left(5) == 5
    with pytest.raises(processes.TooLateError):
        processes.Clock(0).left()
