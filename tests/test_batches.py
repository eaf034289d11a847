import os
from pathlib import Path

import pytest

from advdim.batches import (
    ATTACK,
    STAGES,
    TRAIN,
    Batch,
    Item,
    batch_gpu_megabytes,
    batch_megabytes,
    batch_minutes,
    clear_claimed,
    compose,
    pixels_file,
    waiting,
)
from advdim.config import load
from advdim.files import write_json
from advdim.sweep import experiments_by_cell


@pytest.fixture
def config(raw_config, tmp_path):
    return load({**raw_config, "results": str(tmp_path)})


def finish(config, stage, item, time, **changed):
    """Write what stands for a finished result, as of a time."""
    for file in stage.final(config, item):
        record = {"config_hash": stage.config_hash(config, item), **changed}
        write_json(file, record)
        os.utime(file, (time, time))


def finish_all(config, time):
    for stage in STAGES.values():
        for item in stage.items(config):
            finish(config, stage, item, time)


def test_everything_waits_at_first_and_nothing_at_last(config):
    assert len(waiting(config, TRAIN)) == 7
    assert [(item.cell.network, item.part) for item in waiting(config, ATTACK)] == [
        ("maxpool4", "fgsm")
    ] * 4
    finish_all(config, 1000)
    assert waiting(config, TRAIN) == waiting(config, ATTACK) == []
    assert len(waiting(config, TRAIN, forced={"train"})) == 7
    assert len(waiting(config, ATTACK, forced={"train"})) == 4
    assert waiting(config, TRAIN, forced={"attack"}) == []


def test_a_missing_or_outdated_result_waits_with_what_reads_it(config):
    cells = list(experiments_by_cell(config))
    finish_all(config, 1000)
    TRAIN.final(config, Item(cells[0]))[0].unlink()
    finish(config, TRAIN, Item(cells[1]), 1000, config_hash="of other settings")
    finish(config, TRAIN, Item(cells[2]), 2000)
    assert waiting(config, TRAIN) == [Item(cells[0]), Item(cells[1])]
    assert [item.cell for item in waiting(config, ATTACK)] == cells[:3]


def test_newer_pixels_wait_and_missing_ones_do_not(config):
    finish_all(config, 1000)
    cells = list(experiments_by_cell(config))
    path = pixels_file(config, cells[0])
    path.parent.mkdir(parents=True)
    path.touch()
    assert {item.cell.size for item in waiting(config, TRAIN)} == {cells[0].size}
    path.unlink()
    assert waiting(config, TRAIN) == []


def test_batches_hold_every_item_once_and_one_kind_each(raw_config):
    for number in (1, 2, 3, "auto"):
        config = load({**raw_config, "cells_per_job": number})
        items = waiting(config, TRAIN)
        batches = compose(config, TRAIN, items)
        assert sorted((item for batch in batches for item in batch.items), key=str) == sorted(
            items, key=str
        )
        for batch in batches:
            assert len({(i.cell.dataset, i.cell.network, i.cell.size) for i in batch.items}) == 1
            assert number == "auto" or len(batch.items) <= number
    assert [len(batch.items) for batch in batches] == [2, 2, 3]


def test_auto_fills_the_minutes_of_a_job(raw_config):
    raw_config["experiments"]["dimension"]["seeds"] = 20
    config = load(raw_config)
    items = [item for item in waiting(config, TRAIN) if item.cell.size == 16]
    seconds = {item: TRAIN.seconds(config, item) for item in items}
    longest = max(seconds.values())
    minutes = 3 * longest / 60
    config = load({**raw_config, "minutes_per_job": minutes})
    batches = compose(config, TRAIN, items)
    times = [sum(seconds[item] for item in batch.items) for batch in batches]
    assert all(time <= 3 * longest for time in times)
    assert all(time > 2 * longest for time in times[:-1])
    alone = load({**raw_config, "minutes_per_job": longest / 600})
    assert all(len(batch.items) == 1 for batch in compose(alone, TRAIN, items))


def test_all_attacks_of_a_cell_share_its_job(raw_config):
    raw_config["experiments"]["dimension"]["attacks"] = ["fgsm", "pgd_linf"]
    config = load({**raw_config, "cells_per_job": 1})
    batches = compose(config, ATTACK, waiting(config, ATTACK))
    assert [[item.part for item in batch.items] for batch in batches] == [["fgsm", "pgd_linf"]] * 4


def test_a_batch_is_read_as_it_was_written_and_named_by_its_settings(raw_config):
    config = load(raw_config)
    first, *_ = compose(config, TRAIN, waiting(config, TRAIN))
    assert Batch.from_json(first.to_json()) == first
    again, *_ = compose(config, TRAIN, waiting(config, TRAIN))
    assert again.name == first.name
    raw_config["training"]["epochs"] += 1
    config = load(raw_config)
    other, *_ = compose(config, TRAIN, waiting(config, TRAIN))
    assert other.items == first.items
    assert other.name != first.name


def test_requests_follow_from_all_items_and_the_attempt(raw_config):
    config = load({**raw_config, "cells_per_job": 3})
    single = load({**raw_config, "cells_per_job": 1})
    several = compose(config, TRAIN, waiting(config, TRAIN))[-1]
    one = compose(single, TRAIN, waiting(single, TRAIN))[-1]
    slow = load({**raw_config, "multiply_adds_per_second": 1e4})
    assert batch_minutes(slow, several, 1) > 2 * batch_minutes(slow, one, 1)
    assert batch_minutes(slow, several, 2) >= 2 * batch_minutes(slow, several, 1) - 1
    assert batch_megabytes(config, several, 1) == batch_megabytes(config, one, 1)
    assert batch_megabytes(config, several, 2) > batch_megabytes(config, several, 1)
    assert batch_gpu_megabytes(config, several, 1) > 0
    assert batch_gpu_megabytes(load({**raw_config, "device": "cpu"}), several, 1) == 0


def test_kept_results_go_once_they_are_at_their_place_or_of_no_use(config):
    claimed, unclaimed, *_ = TRAIN.items(config)
    finish(config, TRAIN, claimed, 1000)
    for item in (claimed, unclaimed):
        for file in TRAIN.kept(config, item):
            write_json(file, {})
    stale = TRAIN.kept_folder(config, unclaimed) / "older settings" / "run.json"
    write_json(stale, {})
    clear_claimed(config)
    assert all(file.exists() for file in TRAIN.kept(config, unclaimed))
    assert not stale.parent.exists()
    assert not TRAIN.kept_folder(config, claimed).exists()
    finish(config, TRAIN, unclaimed, 1000)
    clear_claimed(config)
    assert not Path(config.results, "kept").exists()
