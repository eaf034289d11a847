"""Cells at once on one device: their common time, a dead one, and a service that does not work."""

import sys
from argparse import Namespace

import pytest

TINY = {
    "network": "tiny", "width": None, "sizes": [8], "batch_size": 4, "device": "cpu",
    "seconds": 0.1, "cells": [2, 1],
}  # fmt: skip


@pytest.fixture
def together(benchmark_module):
    return benchmark_module("gpu_together")


def test_only_the_time_in_which_all_trained_counts(together):
    one = {"start": 0.0, "done": [1.0, 2.0, 3.0, 4.0, 5.0]}
    other = {"start": 2.0, "done": [2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0]}
    # from 2 to 5 seconds, 3 steps and 6
    assert together.common_rate([one, other]) == 3.0
    with pytest.raises(RuntimeError, match="the last started after the first had ended"):
        together.common_rate([one, {"start": 5.5, "done": [6.0]}])


def test_a_dead_worker_ends_its_row_only(together, monkeypatch):
    start = together.processes.start

    def first_dies(command, *arguments):
        dead = [sys.executable, "-c", "import sys; sys.exit('no kernel')"]
        return start(dead if command[-1] == "1" else command, *arguments)

    monkeypatch.setattr(together.processes, "start", first_dies)
    skipped, failed = [], []
    clock = together.processes.Clock(5)
    (row,) = together.cells_together(Namespace(**TINY), clock, skipped, failed)
    assert row["cells"] == 1
    assert row["images_per_second"] > 0
    assert failed == ["2 cells at once: no kernel"]
    assert skipped == ["cells at once, with nvidia-cuda-mps-control: it is not there"]


@pytest.fixture
def service(monkeypatch, tmp_path):
    """Return a function that puts a script in the place of NVIDIA's."""

    def put(script):
        file = tmp_path / "nvidia-cuda-mps-control"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    return put


def with_service(together):
    skipped, failed = [], []
    settings = Namespace(**{**TINY, "device": "cuda", "cells": []})
    clock = together.processes.Clock(1)
    assert list(together.cells_together(settings, clock, skipped, failed)) == failed == []
    return skipped


def test_a_service_that_does_not_start_is_skipped(together, service):
    service("exit 7")
    assert with_service(together) == [
        "cells at once, with nvidia-cuda-mps-control: it ended with code 7"
    ]


def test_a_service_that_does_not_end_is_left(together, service, monkeypatch):
    monkeypatch.setattr(together, "SERVICE_SECONDS", 1.0)
    service('[ "$1" = -d ] || exec sleep 300')
    assert with_service(together) == ["the end of nvidia-cuda-mps-control: it still runs"]
