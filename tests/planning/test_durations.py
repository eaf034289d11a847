import pytest

from advdim.config import load
from advdim.planning.costs import attack_seconds, training_seconds
from advdim.planning.durations import Durations, in_words
from advdim.results import all_results


@pytest.fixture
def config(raw_config):
    raw_config["experiments"]["dimension"]["seeds"] = 3
    return load(raw_config)


def of_stage(config, stage):
    return [result for result in all_results(config) if result.stage == stage]


def test_results_that_differ_in_seed_and_strength_alone_take_their_mean(config):
    small = [r for r in of_stage(config, "train") if r.cell.size == 8 and r.cell.method == "none"]
    first, second, third = (r for r in small if r.cell.network == "maxpool4")
    durations = Durations(config, [(first, 10.0), (second, 20.0)])
    assert durations.measured(third) == durations.expected(third) == 15


def test_what_is_measured_of_no_kind_is_estimated_and_brought_to_scale(config):
    small, *_, other = of_stage(config, "train")
    assert small.kind != other.kind
    estimate = training_seconds(config, other.cell)
    assert Durations(config, []).expected(other) == estimate
    durations = Durations(config, [(small, 3 * training_seconds(config, small.cell))])
    assert durations.measured(other) is None
    assert durations.expected(other) == pytest.approx(3 * estimate)
    attack = of_stage(config, "attack")[0]
    of_attack = attack_seconds(config, attack.cell, "fgsm")
    assert durations.expected(attack) == pytest.approx(3 * of_attack)


def test_a_stage_without_estimates_is_told_by_its_finished_results_or_not_at_all(config):
    first, second = of_stage(config, "pixels")
    assert Durations(config, []).expected(second) is None
    assert Durations(config, [(first, 7.0)]).expected(second) == 7


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (119, "119 s"), (3600, "60 minutes"), (36_000_000, "10,000.0 hours")],
)
def test_durations_are_said_in_the_unit_that_a_person_chooses(seconds, words):
    assert in_words(seconds) == words
