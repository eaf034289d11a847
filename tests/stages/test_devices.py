"""Which of some invented GPUs a job takes; locks are real, so are the processes that hold them."""

import contextlib
import multiprocessing
import threading
import time

import pytest

from advdim.stages import devices
from advdim.stages.devices import Gpu, NoDeviceError, device, reserved

GPUS = [Gpu(0, "first", 10_000), Gpu(1, "second", 16_000)]


def take(stack, folder, megabytes):
    return stack.enter_context(reserved(GPUS, megabytes, folder)).number


def test_jobs_spread_over_gpus_and_share_one_as_far_as_its_memory_goes(tmp_path):
    with contextlib.ExitStack() as stack:
        taken = [take(stack, tmp_path, 6_000) for _ in range(3)]
        # 16,000 are most; then 10,000 to spare on both, the first of them; then the other.
        assert sorted(taken) == [0, 1, 1]
        # 4,000 are left on each.
        assert take(stack, tmp_path, 4_000) in (0, 1)


def test_a_job_waits_until_there_is_room(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "SECONDS_BETWEEN_LOOKS", 0.01)
    got = []

    def wait_for_one():
        with reserved(GPUS, 9_000, tmp_path) as gpu:
            got.append(gpu.number)

    with contextlib.ExitStack() as stack:
        assert {take(stack, tmp_path, 9_000), take(stack, tmp_path, 9_000)} == {0, 1}
        waiting = threading.Thread(target=wait_for_one)
        waiting.start()
        time.sleep(0.2)
        assert got == []
    waiting.join(timeout=10)
    assert got == [1]


def test_one_that_fits_nowhere_gets_a_gpu_to_itself(tmp_path):
    with contextlib.ExitStack() as stack:
        assert take(stack, tmp_path, 99_000) == 1
        assert take(stack, tmp_path, 99_000) == 0


def hold(folder, ready):
    with reserved(GPUS, 15_000, folder):
        ready.set()
        time.sleep(60)


def test_a_killed_job_leaves_its_gpu(tmp_path):
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    job = context.Process(target=hold, args=(tmp_path, ready))
    job.start()
    assert ready.wait(timeout=10)
    with contextlib.ExitStack() as stack:
        assert take(stack, tmp_path, 9_000) == 0
        job.kill()
        job.join()
        assert take(stack, tmp_path, 15_000) == 1


def test_what_is_there_decides_between_processor_and_gpu(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(devices, "visible_gpus", list)
    with device("cpu", 1) as name:
        assert name == "cpu"
    with device("auto", 1) as name:
        assert name == "cpu"
    with (
        pytest.raises(NoDeviceError, match="'device' is 'cuda', but no CUDA device"),
        device("cuda", 1),
    ):
        pass
    monkeypatch.setattr(devices, "visible_gpus", lambda: GPUS)
    with device("auto", 1) as first, device("cuda", 9_000) as second:
        assert {first, second} == {"cuda:0", "cuda:1"} or first == second == "cuda:1"
