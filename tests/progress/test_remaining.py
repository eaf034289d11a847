import pytest

from advdim.config import load
from advdim.planning.costs import bound_seconds
from advdim.progress.remaining import remaining
from advdim.progress.standings import Standing, Training
from advdim.results import all_results


@pytest.fixture
def config(raw_config):
    raw_config["experiments"]["dimension"]["seeds"] = 4
    raw_config["training"]["epochs"] = 10
    return load(raw_config)


def alike(config, stage):
    """Return the first results of a stage that are of one kind."""
    results = [result for result in all_results(config) if result.stage == stage]
    return [result for result in results if result.kind == results[0].kind]


def done(result, seconds):
    return Standing(result, "done", {"seconds": seconds})


def test_what_is_left_of_trainings_follows_their_epochs(config):
    first, second, third, fourth = alike(config, "train")
    found = [
        done(first, 100.0),
        Standing(second, "running", training=Training(8, 10, 40.0)),
        Standing(third, "stopped", training=Training(2, 10)),
        Standing(fourth, "waiting"),
    ]
    left = remaining(config, found)
    assert [left.of.get(standing.result) for standing in found] == [
        None, pytest.approx(10), pytest.approx(80), 100
    ]  # fmt: skip
    assert left.work == pytest.approx(190)
    assert (left.at_once, left.estimated, left.unknown) == (1, 0, 0)
    assert left.wait == pytest.approx(190)


def test_a_training_under_way_tells_how_long_its_kind_takes_where_none_is_finished(config):
    first, second, *_ = alike(config, "train")
    running = Standing(first, "running", training=Training(2, 10, 50.0))
    left = remaining(config, [running, Standing(second, "waiting")])
    assert left.of == {first: pytest.approx(200), second: pytest.approx(250)}
    assert left.estimated == 0


def test_a_training_under_way_goes_by_its_own_rate_and_others_by_the_finished(config):
    first, second, third, *_ = alike(config, "train")
    running = Standing(first, "running", training=Training(5, 10, 50.0))
    found = [running, done(second, 300.0), Standing(third, "waiting")]
    assert remaining(config, found).of == {first: pytest.approx(50), third: 300}


def test_other_work_that_runs_is_told_by_the_clock_and_never_below_nothing(config):
    first, second, third, fourth = alike(config, "attack")
    found = [
        done(first, 30.0),
        Standing(second, "running", seconds=12.0),
        Standing(third, "running", seconds=50.0),
        Standing(fourth, "waiting"),
    ]
    left = remaining(config, found)
    assert left.of == {second: 18, third: 0, fourth: 30}
    # Two at once, but the longest is not cut in two.
    assert (left.work, left.wait) == (48, 30)


def test_attacks_on_a_network_that_diverged_are_no_measure(config):
    train, attacks = alike(config, "train")[0], alike(config, "attack")
    found = [
        Standing(train, "diverged", {"seconds": 1.0}),
        done(next(a for a in attacks if a.cell == train.cell), 0.01),
        *(done(a, 30.0) for a in attacks[1:3]),
        Standing(attacks[3], "waiting"),
    ]
    assert remaining(config, found).of == {attacks[3]: 30}


def test_guesses_and_unknowns_are_counted_and_failures_are_not_work(config):
    bounds, pixels = alike(config, "bounds")[0], alike(config, "pixels")[0]
    found = [
        Standing(bounds, "waiting"),
        Standing(pixels, "waiting"),
        Standing(alike(config, "train")[0], "failed", {"seconds": 1.0}),
    ]
    left = remaining(config, found)
    assert left.of == {bounds: bound_seconds(config, bounds.cell), pixels: None}
    assert (left.estimated, left.unknown, left.at_once) == (1, 1, 0)
    assert left.work == left.wait == left.of[bounds]


def test_nothing_is_left_of_a_finished_sweep(config):
    left = remaining(config, [done(result, 1.0) for result in all_results(config)])
    assert (left.of, left.work, left.wait) == ({}, 0, 0)
