"""Where results stand, told from records, locks and logs, while real jobs work on some."""

import logging
import os
import signal
import time
from collections import Counter

import pytest
from filelock import FileLock

from advdim.config import load
from advdim.progress.standings import is_worked_on, standings
from advdim.results import all_results
from tests.stages.test_job import epochs_of, run, start, sweep  # noqa: F401
from tests.test_results import EVERYTHING, finish, finish_all


@pytest.fixture
def config(raw_config, tmp_path):
    return load({**raw_config, "results": str(tmp_path / "results")})


def counted(config):
    return dict(Counter(standing.state for standing in standings(config)))


def of_stage(config, stage):
    return [result for result in all_results(config) if result.stage == stage]


def standing_of(config, result):
    return next(standing for standing in standings(config) if standing.result == result)


def test_before_anything_has_run_all_waits_and_nothing_is_written(config, tmp_path):
    assert counted(config) == {"waiting": sum(EVERYTHING.values())}
    assert not (tmp_path / "results").exists()


def test_states_are_those_of_the_records(config):
    finish_all(config)
    first, second, third, *_ = of_stage(config, "train")
    finish(config, first, status="diverged")
    finish(config, second, status="failed", error="RuntimeError: no", content="failed")
    attack = next(r for r in of_stage(config, "attack") if r.cell == second.cell)
    finish(config, attack, status="failed", error="x", because=f"train {second.name}")
    third.record(config).unlink()
    found = {standing.result: standing for standing in standings(config)}
    assert found[first].state == "diverged"
    assert found[second].state == "failed"
    assert found[attack].state == "left out"
    assert found[third].state == "waiting"
    # What was made of the third network, and the second's bounds, are of one that is no more.
    outdated = {standing.result for standing in found.values() if standing.outdated}
    of_third = {
        r for s in ("attack", "bounds") for r in of_stage(config, s) if r.cell == third.cell
    }
    of_second = {r for r in of_stage(config, "bounds") if r.cell == second.cell}
    assert outdated == of_third | of_second
    assert of_third
    assert all(found[result].state == "waiting" for result in outdated)
    assert counted(config)["done"] == sum(EVERYTHING.values()) - 4 - len(outdated)


def test_pixels_that_nothing_waits_for_are_not_missed(config):
    finish_all(config)
    for result in of_stage(config, "pixels"):
        result.record(config).unlink()
    assert counted(config) == {"done": sum(EVERYTHING.values()) - EVERYTHING["pixels"]}
    train = of_stage(config, "train")[0]
    train.record(config).unlink()
    found = [s.result for s in standings(config) if s.result.stage == "pixels"]
    assert found == train.parents(config)


def test_other_settings_make_results_wait_and_older_code_is_named(raw_config, config):
    finish_all(config)
    train = of_stage(config, "train")[0]
    finish(config, train, code_hash="older")
    found = standing_of(config, train)
    assert (found.state, found.older, found.outdated) == ("done", True, False)
    changed = load({**raw_config, "results": config.results, "bounds": {"images": 4}})
    outdated = [standing for standing in standings(changed) if standing.outdated]
    assert {(s.result.stage, s.state) for s in outdated} == {("bounds", "waiting")}
    assert len(outdated) == EVERYTHING["bounds"]


def test_a_lock_is_seen_and_not_taken(config):
    folder = of_stage(config, "bounds")[0].unfinished(config)
    assert not is_worked_on(folder)
    folder.mkdir(parents=True)
    lock = FileLock(folder / "lock")
    with lock:
        assert is_worked_on(folder)
        # Who looks at the same time sees the job, not the other who looks.
        assert is_worked_on(folder)
        assert counted(config)["running"] == 1
    assert not is_worked_on(folder)
    assert counted(config)["stopped"] == 1
    lock.acquire(timeout=0)
    lock.release()


def test_a_training_is_followed_stopped_and_continued(sweep):  # noqa: F811
    config, train, _ = sweep(epochs=100_000)
    behind = 0
    for state in ("first", "continued"):
        job, before = start(config, train), epochs_of(config, train)
        while epochs_of(config, train) < before + 3:
            assert job.is_alive()
            time.sleep(0.01)
        found = standing_of(config, train)
        assert found.state == "running", state
        assert found.training.epochs == 100_000
        assert behind < found.training.done
        assert found.training.seconds is not None
        assert 0 < found.seconds < 60
        os.kill(job.pid, signal.SIGTERM)
        job.join(timeout=60)
        stopped = standing_of(config, train)
        assert stopped.state == "stopped"
        assert stopped.training.done >= found.training.done
        behind = stopped.training.done
    assert behind == last_epoch(config, train)


def last_epoch(config, train):
    lines = train.log(config).read_text().splitlines()
    return int([line for line in lines if "INFO epoch " in line][-1].split()[4].split("/")[0])


def test_a_new_training_does_not_show_the_epochs_of_the_one_before(sweep):  # noqa: F811
    config, train, _ = sweep()
    assert run(config, train) == 0
    assert standing_of(config, train).state == "done"
    train.record(config).unlink()
    train.unfinished(config).mkdir(parents=True)
    with FileLock(train.unfinished(config) / "lock"):
        training = standing_of(config, train).training
    assert (training.done, training.epochs, training.seconds) == (0, 3, None)


def test_a_training_that_has_just_gone_on_is_where_it_was(sweep):  # noqa: F811
    config, train, _ = sweep(epochs=9)
    log = train.log(config)
    log.parent.mkdir(parents=True)
    handler = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    said = [
        f"training {train.cell.directory} on a processor",
        "epoch 7/9: objective 0.1234, validation accuracy 0.5000, 14.0 s",
        f"training {train.cell.directory} on a processor",
        "resumed at batch 3 of epoch 6",
    ]
    record = [logging.LogRecord("a", logging.INFO, "", 0, line, None, None) for line in said]
    log.write_text("\n".join(map(handler.format, record)) + "\n")
    train.unfinished(config).mkdir(parents=True)
    with FileLock(train.unfinished(config) / "lock"):
        training = standing_of(config, train).training
    assert (training.done, training.epochs, training.seconds) == (5, 9, None)
