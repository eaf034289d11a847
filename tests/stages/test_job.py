"""One job in a process of its own: it fails, is killed, hangs, is told to stop, or has a rival."""

import multiprocessing
import os
import signal
import time

import pytest
import torch

from advdim.config import load
from advdim.planning.costs import MOST_STARTS
from advdim.records import read_record
from advdim.results import Result, all_results, revision
from advdim.stages.job import make
from advdim.stages.work import Job
from advdim.tables import read_table


class Faulty(torch.nn.Linear):
    """A linear network that does something the first or every time it sees large inputs."""

    def __init__(self, channels, size, classes, fault, once=""):
        super().__init__(channels * size * size, classes)
        self.fault, self.once = fault, once

    def forward(self, inputs):
        # Only the cell of strength 1000 sees such.
        if inputs.abs().max() > 100 and not (self.once and os.path.exists(self.once)):
            if self.once:
                open(self.once, "w").close()
            if self.fault == "raise":
                raise RuntimeError("this network cannot be trained")
            if self.fault == "full disk":
                raise OSError("No space left on device")
            if self.fault == "no room on the GPU":
                raise RuntimeError(
                    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED\nCompile with more checks"
                )
            if self.fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(1000)
        return super().forward(inputs.flatten(1))


@pytest.fixture
def sweep(raw_config, tmp_path):
    """Return a function from a fault to a sweep of one cell that has it, and its results."""

    def configure(fault="none", once="", **settings):
        raw_config["networks"]["faulty"] = {
            "kind": "module",
            "module": f"{__name__}:Faulty",
            "arguments": {"fault": fault, "once": once},
        }
        raw_config["training"]["epochs"] = settings.pop("epochs", 3)
        raw_config["training"]["measurement"]["every"] = 1_000_000
        experiment = {
            "dataset": "digits",
            "network": "faulty",
            "sizes": [8],
            "epsilons": [1000 if fault != "none" else 0.01],
            "attacks": ["fgsm"],
        }
        del raw_config["initialisation"]
        raw_config["experiments"] = {"only": experiment}
        config = load({**raw_config, "results": str(tmp_path / "results"), **settings})
        pixels, train, attack = all_results(config)
        make(config, pixels)
        return config, train, attack

    return configure


def start(config, result, **options):
    options = {"revision": revision(config, result), **options}
    # a test that fails leaves none behind
    job = multiprocessing.get_context("fork").Process(
        target=make, args=(config, result), kwargs=options, daemon=True
    )
    job.start()
    return job


def run(config, result, **options):
    """Make a result as a job would; return the exit status."""
    job = start(config, result, **options)
    job.join(timeout=120)
    assert job.exitcode is not None
    return job.exitcode


def log_of(config, result):
    return result.log(config).read_text()


def test_a_current_result_is_made_once(sweep):
    config, train, attack = sweep()
    assert run(config, train) == run(config, attack) == 0
    network = train.files(config)["network"].read_bytes()
    record = read_record(train.record(config))
    assert (record["status"], record["error"], record["revision"]) == ("done", None, 0)
    assert run(config, train) == run(config, attack) == 0
    assert "current" in log_of(config, train)
    assert "current" in log_of(config, attack)
    assert not (train.unfinished(config)).exists()
    # Forced, it is made again, once in a run.
    for name in ("first", "second"):
        for _ in range(2):
            assert run(config, train, forced=True, run=name) == 0
    assert log_of(config, train).count("training dataset=") == 3
    assert train.files(config)["network"].read_bytes() == network


def test_a_missing_file_is_made_again_whatever_the_record_says(sweep):
    config, train, _ = sweep()
    assert run(config, train) == 0
    train.files(config)["samples"].unlink()
    assert run(config, train) == 0
    assert train.files(config)["samples"].exists()


def test_a_cell_that_raises_is_a_record_and_its_attack_is_left_out(sweep, tmp_path):
    config, train, attack = sweep("raise", once="")
    assert run(config, train, run="first") == 0
    record = read_record(train.record(config))
    assert record["status"] == "failed"
    assert record["error"] == "RuntimeError: this network cannot be trained"
    assert record["because"] is None
    assert all(path.exists() for path in train.files(config).values())
    # Its rows so far: those at initialisation.
    assert set(read_table(train.files(config)["epochs"])["epoch"]) <= {-1, 0}
    assert run(config, attack, run="first") == 0
    left_out = read_record(attack.record(config))
    assert left_out["status"] == "failed"
    assert left_out["because"] == f"train {train.name}"
    assert len(read_table(attack.files(config)["attacks"])) == 0
    # In the same run it is not tried again, in the next it is.
    assert run(config, train, run="first") == 0
    assert log_of(config, train).count("training dataset=") == 1
    assert "current" in log_of(config, train)
    assert run(config, train, run="second") == 0
    assert read_record(train.record(config))["revision"] == 1


def test_a_mended_cell_is_made_and_so_is_what_waits_for_it(sweep, tmp_path):
    config, train, attack = sweep("raise", once=str(tmp_path / "once"))
    for status in ("failed", "done"):
        assert run(config, train) == run(config, attack) == 0
        for result in (train, attack):
            assert read_record(result.record(config))["status"] == status
    assert len(read_table(attack.files(config)["attacks"])) == 8
    assert run(config, train) == run(config, attack) == 0
    assert "current" in log_of(config, train)
    assert "current" in log_of(config, attack)


def test_a_cell_that_kills_its_process_each_time_is_a_record(sweep):
    config, train, _ = sweep("kill")
    for _ in range(MOST_STARTS):
        assert run(config, train) == -signal.SIGKILL
        assert not train.record(config).exists()
    assert run(config, train) == 0
    record = read_record(train.record(config))
    assert record["status"] == "failed"
    assert "its process has ended 3 times (killed, or out of memory)" in record["error"]
    assert "given_up" not in record
    # The next run gives it another chance.
    assert run(config, train) == -signal.SIGKILL


def kill_in_training(config, train, epoch):
    """Kill the process that trains, once it has come to an epoch."""
    job = start(config, train)
    while f"INFO epoch {epoch}/" not in (
        log_of(config, train) if train.log(config).exists() else ""
    ):
        assert job.is_alive()
        time.sleep(0.01)
    job.kill()
    job.join(timeout=60)
    assert job.exitcode == -signal.SIGKILL


@pytest.fixture
def state_of_each_batch(monkeypatch):
    """Let jobs write their state after every batch."""
    from advdim.stages import train

    trainer = train.Trainer
    often = {"checkpoint_seconds": 0}
    monkeypatch.setattr(train, "Trainer", lambda *a, **k: trainer(*a, **{**k, **often}))


@pytest.mark.usefixtures("state_of_each_batch")
def test_a_training_that_each_kill_finds_further_is_never_given_up(sweep):
    config, train, _ = sweep(epochs=100_000)
    for kills in range(1, MOST_STARTS + 3):
        kill_in_training(config, train, 2 * kills)
        assert not train.record(config).exists()
    assert log_of(config, train).count("resumed at batch") == MOST_STARTS + 1


@pytest.mark.usefixtures("state_of_each_batch")
def test_a_training_that_is_given_up_keeps_its_state_for_the_next_run(sweep):
    config, train, _ = sweep(epochs=100_000)
    kill_in_training(config, train, 2)
    for number in range(1, MOST_STARTS + 1):
        (train.unfinished(config) / f"ended-{number}").write_text("killed")
    assert run(config, train, run="first") == 0
    assert "has ended 3 times" in read_record(train.record(config))["error"]
    # Seen once more in the same run, as by what hangs on it.
    assert run(config, train, run="first") == 0
    kill_in_training(config, train, 4)
    assert log_of(config, train).count("resumed at batch") == 1


@pytest.mark.parametrize("fault", ["full disk", "no room on the GPU"])
def test_an_error_of_the_machine_ends_the_process_to_be_tried_again(sweep, tmp_path, fault):
    config, train, _ = sweep(fault, once=str(tmp_path / "once"))
    assert run(config, train) == 1
    assert not train.record(config).exists()
    assert run(config, train) == 0
    assert read_record(train.record(config))["status"] == "done"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("full disk", "OSError: No space left on device"),
        ("no room on the GPU", "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED"),
    ],
)
def test_an_error_of_the_machine_that_stays_is_named_in_the_record(sweep, fault, said):
    config, train, _ = sweep(fault)
    assert [run(config, train) for _ in range(MOST_STARTS + 1)] == [1, 1, 1, 0]
    assert f"3 times ({said})" in read_record(train.record(config))["error"]


def test_a_hanging_worker_is_ended_and_its_cell_continues(sweep, tmp_path):
    config, train, _ = sweep("hang", once=str(tmp_path / "once"), hang_minutes=0.15)
    assert run(config, train) == 1
    assert "in forward" in log_of(config, train)
    assert run(config, train) == 0
    assert read_record(train.record(config))["status"] == "done"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_job_that_is_told_to_stop_writes_its_state_and_blames_no_cell(sweep, number):
    config, train, _ = sweep(epochs=100_000)
    for stops in (1, 2, 3):
        job = start(config, train)
        while epochs_of(config, train) < 3 * stops:
            assert job.is_alive()
            time.sleep(0.01)
        os.kill(job.pid, number)
        job.join(timeout=60)
        assert job.exitcode == 128 + number
        assert not train.record(config).exists()
        assert len(list(train.unfinished(config).glob("*/*.safetensors"))) == 1
        assert not list(train.unfinished(config).glob("ended-*"))
    text = log_of(config, train)
    assert text.count("resumed at batch") == 2
    assert text.count("stopped; the next run continues from here") == 3
    assert "Traceback" not in text


def stopped_after(config, train, epochs):
    job = start(config, train)
    while epochs_of(config, train) < epochs:
        assert job.is_alive()
        time.sleep(0.01)
    os.kill(job.pid, signal.SIGTERM)
    job.join(timeout=60)


def test_a_training_goes_on_from_a_state_of_the_same_images_only(sweep, tmp_path):
    config, train, _ = sweep(epochs=3000)
    (pixels,) = train.parents(config)
    stopped_after(config, train, 2)
    raw = config.model_dump(exclude_unset=True)
    raw["datasets"]["digits"]["train_images"] -= 8
    raw["training"]["epochs"] = 3000
    other = load(raw)
    assert run(other, pixels) == 0
    stopped_after(other, train, 4)
    # What is left of the first training is of other images.
    assert "resumed" not in log_of(config, train)
    stopped_after(other, train, 6)
    assert log_of(config, train).count("resumed") == 1


def test_a_state_of_another_kind_of_device_is_not_gone_on_from(sweep):
    config, train, _ = sweep()
    job = Job(config, train, 1, None, {})
    assert job.checkpoints("cuda:0") == job.checkpoints("cuda:1") != job.checkpoints("cpu")


def epochs_of(config, train):
    return log_of(config, train).count("INFO epoch ") if train.log(config).exists() else 0


def test_two_processes_never_work_on_one_result(sweep):
    config, train, _ = sweep(epochs=150)
    jobs = [start(config, train) for _ in range(3)]
    for job in jobs:
        job.join(timeout=120)
    assert [job.exitcode for job in jobs] == [0, 0, 0]
    text = log_of(config, train)
    assert text.count("training dataset=") == 1
    assert text.count("waiting for it") == text.count("current: ") == 2


def test_a_failed_preparation_is_named_by_what_hangs_on_it(raw_config, tmp_path):
    for split in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            for number in (1, 2):
                text = f"no image {split} {name} {number}"
                (tmp_path / split / name / f"{number}.png").write_bytes(text.encode())
    raw_config["datasets"]["photos"] = {
        "source": "folder", "root": str(tmp_path), "native_size": 8
    }  # fmt: skip
    raw_config["experiments"] = {
        "e": {"dataset": "photos", "network": "strided4", "sizes": [8], "epsilons": [0]}
    }
    del raw_config["initialisation"]
    config = load({**raw_config, "results": str(tmp_path / "results")})
    for result in all_results(config):
        make(config, result)
    pixels, train = (read_record(result.record(config)) for result in all_results(config))
    assert pixels["status"] == train["status"] == "failed"
    assert "cannot be decoded" in pixels["error"]
    assert train["because"] == "pixels dataset=photos/size=8"


def test_results_are_told_apart_by_their_wildcards():
    values = {"dataset": "d", "size": 8, "ignored": "x"}
    assert Result.of("pixels", values).name == "dataset=d/size=8"
