"""Several cells in one job: one fails, kills the process, or hangs; the others must not notice."""

import multiprocessing
import os
import signal
import time

import pytest
import torch

from advdim.batches import ATTACK, TRAIN, compose, pixels_file, waiting
from advdim.config import load
from advdim.stages import batches
from advdim.stages.batches import is_kept, run_batch
from advdim.stages.pixels import prepare_pixels


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
            if self.fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(1000)
        return super().forward(inputs.flatten(1))


@pytest.fixture
def make(raw_config, tmp_path):
    """Return a function from a fault to its sweep: three cells in one batch, one at fault."""

    def configure(fault, once="", **settings):
        raw_config["networks"]["faulty"] = {
            "kind": "module",
            "module": f"{__name__}:Faulty",
            "arguments": {"fault": fault, "once": once},
        }
        experiment = raw_config["experiments"]["regularisation"]
        raw_config["experiments"] = {
            "regularisation": {
                **experiment,
                "network": "faulty",
                "methods": ["pgd_linf"],
                "epsilons": [0.01, 1000, 0.02],
                "attacks": ["fgsm"],
                "figures": [],
            }
        }
        config = load({**raw_config, "results": str(tmp_path), "cells_per_job": 3, **settings})
        for batch in compose(config, TRAIN, waiting(config, TRAIN)):
            pixels = pixels_file(config, batch.items[0].cell)
            prepare_pixels(config, "digits", batch.items[0].cell.size, pixels)
        return config, *compose(config, TRAIN, waiting(config, TRAIN))

    return configure


def run_in_a_process(config, batch):
    """Run the batch as a job would and return the exit status."""
    child = multiprocessing.get_context("fork").Process(target=run_batch, args=(config, batch))
    child.start()
    child.join(timeout=120)
    assert child.exitcode is not None
    return child.exitcode


def kept(config, batch):
    return [is_kept(config, TRAIN, item) for item in batch.items]


def trainings(config, item):
    """Return how often an item's training was begun, from its log."""
    return TRAIN.log(config, item).read_text().count("training dataset=")


def test_a_failing_cell_costs_no_other(make):
    config, batch = make("raise")
    assert run_in_a_process(config, batch) == 0
    assert kept(config, batch) == [True, False, True]
    assert "this network cannot be trained" in TRAIN.log(config, batch.items[1]).read_text()
    # Attacks go on with the networks that are there.
    (attacks,) = compose(config, ATTACK, waiting(config, ATTACK))
    assert run_in_a_process(config, attacks) == 0
    assert [is_kept(config, ATTACK, item) for item in attacks.items] == [True, False, True]


def test_what_a_killed_job_had_finished_is_not_done_again(make, tmp_path):
    config, batch = make("kill", once=str(tmp_path / "once"))
    assert run_in_a_process(config, batch) == -signal.SIGKILL
    assert kept(config, batch) == [True, False, False]
    assert run_in_a_process(config, batch) == 0
    assert kept(config, batch) == [True, True, True]
    assert [trainings(config, item) for item in batch.items] == [1, 2, 1]


def test_a_cell_that_kills_every_job_is_given_up_in_the_end(make):
    config, batch = make("kill")
    # The second time it comes last, so that the others are done by then.
    assert run_in_a_process(config, batch) == -signal.SIGKILL
    assert run_in_a_process(config, batch) == -signal.SIGKILL
    assert kept(config, batch) == [True, False, True]
    assert run_in_a_process(config, batch) == 0
    last = TRAIN.log(config, batch.items[1]).read_text().splitlines()[-1]
    assert "given up: the process ended 2 times during this one" in last
    # A user who runs again gives it another chance.
    assert run_in_a_process(config, batch) == -signal.SIGKILL


def test_an_error_of_the_machine_ends_the_job_to_be_tried_again(make, tmp_path):
    config, batch = make("full disk", once=str(tmp_path / "once"))
    with pytest.raises(OSError, match="No space left"):
        run_batch(config, batch)
    run_batch(config, batch)
    assert kept(config, batch) == [True, True, True]


def test_a_job_that_is_told_to_stop_blames_no_cell(make, tmp_path, monkeypatch):
    config, batch = make("raise", once=str(tmp_path / "once"))
    (tmp_path / "once").touch()

    def stopped(*arguments):
        raise SystemExit(143)

    monkeypatch.setitem(batches.COMPUTE, "train", stopped)
    for _ in range(batches.MOST_ENDS + 1):
        with pytest.raises(SystemExit):
            run_batch(config, batch)
    monkeypatch.undo()
    run_batch(config, batch)
    assert kept(config, batch) == [True, True, True]


def test_a_hanging_worker_is_ended_and_its_cell_continues(make, tmp_path):
    config, batch = make("hang", once=str(tmp_path / "once"), hang_minutes=0.05)
    assert run_in_a_process(config, batch) == 1
    assert kept(config, batch) == [True, False, False]
    assert "in forward" in TRAIN.log(config, batch.items[1]).read_text()
    assert run_in_a_process(config, batch) == 0
    assert kept(config, batch) == [True, True, True]


def test_neighbours_in_a_job_leave_no_trace_in_a_result(make, tmp_path):
    (tmp_path / "once").touch()
    config, batch = make("raise", once=str(tmp_path / "once"))
    assert run_in_a_process(config, batch) == 0
    together = [TRAIN.kept(config, item) for item in batch.items]
    bytes_together = [[file.read_bytes() for file in (n, s)] for n, _, s, _ in together]
    for files in together:
        files[-1].unlink()
    alone = load({**config.model_dump(mode="json"), "cells_per_job": 1})
    for one in compose(alone, TRAIN, waiting(alone, TRAIN)):
        assert len(one.items) == 1
        assert run_in_a_process(alone, one) == 0
    assert [[file.read_bytes() for file in (n, s)] for n, _, s, _ in together] == bytes_together
