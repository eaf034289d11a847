from __future__ import annotations

from advdim.config import load
from advdim.planning.starts import (
    SECONDS_TO_START,
    TABLES_OF,
    jobs_at_once,
    jobs_of,
    processors,
    starting_seconds,
)
from advdim.results import FILES, all_results
from advdim.stages.tables import RECIPES


def stage_of(table):
    """Return the stage whose results a table is made from, at a distance."""
    recipe = RECIPES[table]
    return next(iter(recipe.results), None) or stage_of(recipe.tables[0])


def test_every_table_is_of_a_stage():
    for stage, count in TABLES_OF.items():
        assert sum(stage_of(t) == stage for t in RECIPES if t != "claims") == count
    assert len(RECIPES) == 1 + sum(TABLES_OF.values())


def test_jobs_are_those_of_a_run_from_nothing(raw_config):
    config = load(raw_config)
    jobs = jobs_of(config, all_results(config))
    assert jobs == {
        "pixels": 2, "train": 7, "attack": 4, "bounds": 4, "initialisation": 1, "examples": 1,
        "table": 11, "figure": 7, "report": 1,
    }  # fmt: skip
    assert set(jobs) == set(SECONDS_TO_START) >= set(FILES)
    assert starting_seconds({"train": 2, "table": 3}) == (
        2 * SECONDS_TO_START["train"] + 3 * SECONDS_TO_START["table"]
    )


def test_an_attack_that_waits_makes_its_tables_again_and_no_examples(raw_config):
    config = load(raw_config)
    attacks = [result for result in all_results(config) if result.stage == "attack"]
    jobs = jobs_of(config, attacks[:1])
    assert (jobs["attack"], jobs["train"], jobs["table"], jobs["examples"]) == (1, 0, 4, 0)
    assert not jobs_of(config, [])
    pixels = [result for result in all_results(config) if result.stage == "pixels"]
    assert not jobs_of(config, pixels)


def test_jobs_share_the_processors(raw_config, monkeypatch):
    monkeypatch.setattr("advdim.planning.starts.processors", lambda: 8)
    for threads, at_once in ((1, 8), (3, 2), (16, 1)):
        assert jobs_at_once(load({**raw_config, "threads": threads})) == at_once
    monkeypatch.undo()
    assert processors() >= 1
