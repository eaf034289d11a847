import shutil

import pyarrow as pa
import pytest

from advdim import records
from advdim.config import load
from advdim.data.contents import Contents, files_of
from advdim.files import write_json
from advdim.networks import precision
from advdim.records import read_record
from advdim.results import (
    FILES,
    Result,
    all_results,
    code_hash,
    computation,
    config_hash,
    inputs_of,
    is_current,
    is_older,
    of_other_settings,
    revision,
)
from advdim.sweep import experiments_by_cell


@pytest.fixture
def config(raw_config, tmp_path):
    return load({**raw_config, "results": str(tmp_path / "results")})


def finish(config, result, **changed):
    """Write what stands for a finished result, made of what is there."""
    record = {
        "status": "done",
        "because": None,
        "seconds": 1.0,
        "revision": revision(config, result),
        "config_hash": config_hash(config, result),
        "code_hash": code_hash(config, result),
        "inputs": inputs_of(config, result),
        "content": f"content of {result.name}",
        **changed,
    }
    write_json(result.record(config), record)


def finish_all(config):
    for result in all_results(config):
        finish(config, result)


def test_what_is_finished_is_of_the_present_settings(raw_config, config):
    def finished(raw):
        present = load({**raw, "results": config.results, "only_finished": True})
        return {result.stage for result in all_results(present)}, of_other_settings(present)

    finish_all(config)
    stages = {result.stage for result in all_results(config)}
    assert finished(raw_config) == (stages, [])
    raw_config["bounds"] = {"images": 3}
    found, others = finished(raw_config)
    assert found == stages - {"bounds"}
    assert {result.stage for result in others} == {"bounds"}
    raw_config["training"]["epochs"] += 1
    found, others = finished(raw_config)
    # attacks go with their networks
    assert found == {"pixels", "initialisation"}
    assert {result.stage for result in others} == {"train", "bounds"}


def test_a_training_does_not_go_on_at_another_precision(config, monkeypatch):
    """On a machine whose second GPU is of an older generation."""
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: device in {"cuda:0", "cuda:2"})
    train = next(result for result in all_results(config) if result.stage == "train")
    one, older, same = (computation(config, train, {}, f"cuda:{number}") for number in range(3))
    assert one == same != older
    assert computation(config, train, {}, "cpu") not in (one, older)


def outdated(config):
    """Return the stages of the results that are not current, and how many of each."""
    found = [
        result.stage
        for result in all_results(config)
        if not is_current(
            config, result, read_record(result.record(config)), inputs_of(config, result)
        )
    ]
    return {stage: found.count(stage) for stage in dict.fromkeys(found)}


EVERYTHING = {"pixels": 2, "train": 7, "attack": 4, "bounds": 4, "initialisation": 1}


def test_all_results_of_a_sweep_are_listed_in_the_order_of_their_making(config):
    assert outdated(config) == EVERYTHING
    finish_all(config)
    assert outdated(config) == {}
    seen = set()
    for result in all_results(config):
        assert set(result.parents(config)) <= seen
        assert Result.of(result.stage, result.wildcards) == result
        assert len({path.name for path in result.files(config).values()}) == len(
            FILES[result.stage]
        )
        seen.add(result)


def test_cells_lie_in_hive_partitions(config):
    cells = list(experiments_by_cell(config))
    folders = [
        result.record(config).parent.relative_to(config.results).as_posix()
        for result in all_results(config)
        if result.stage == "train"
    ]
    assert folders == [f"cells/{cell.directory}" for cell in cells]


def test_a_moved_and_touched_tree_is_current(raw_config, config, tmp_path):
    finish_all(config)
    shutil.copytree(tmp_path / "results", tmp_path / "elsewhere" / "again")
    moved = load({**raw_config, "results": str(tmp_path / "elsewhere" / "again")})
    assert outdated(moved) == {}


@pytest.mark.parametrize(
    ("block", "value", "expected"),
    [
        ("bounds", {"images": 4}, {"bounds": 4}),
        ("methods", {"pgd_linf": {"steps": 3, "relative_step": 0.5}}, {"train": 3}),
        ("figures", {"font_size": 12.0}, {}),
        ("hang_minutes", 5.0, {}),
    ],
)
def test_settings_reach_what_depends_on_them(raw_config, config, block, value, expected):
    finish_all(config)
    changed = load({**raw_config, "results": config.results, block: value})
    assert outdated(changed) == expected


def test_inputs_of_other_content_count_and_missing_ones_do_not(config):
    finish_all(config)
    network = next(result for result in all_results(config) if result.stage == "train")
    finish(config, network, content="trained to other weights")
    assert outdated(config) == {"attack": 1, "bounds": 1}
    network.record(config).unlink()
    assert outdated(config) == {"train": 1}
    for result in all_results(config):
        if result.stage == "pixels":
            result.record(config).unlink()
    assert outdated(config) == {"pixels": 2, "train": 1}


def test_a_network_of_older_code_is_kept_and_named_an_attack_is_not(config):
    finish_all(config)
    by_stage = {result.stage: result for result in all_results(config)}
    for result in by_stage.values():
        finish(config, result, code_hash="older")
    assert outdated(config) == {"pixels": 1, "attack": 1, "bounds": 1, "initialisation": 1}
    train = by_stage["train"]
    assert is_older(config, train, read_record(train.record(config)))
    assert not is_older(config, by_stage["attack"], read_record(train.record(config)))


def test_the_revision_rises_with_every_failure_and_every_change_of_inputs(config):
    finish_all(config)
    attack = next(result for result in all_results(config) if result.stage == "attack")
    network, _ = attack.parents(config)
    assert revision(config, attack) == revision(config, network) == 0
    finish(config, network, status="failed", content="failed")
    assert (revision(config, network), revision(config, attack)) == (1, 1)
    # What could not be made since its network failed is not tried again before that.
    finish(config, attack, status="failed", because=f"train {network.name}")
    assert (revision(config, attack), outdated(config)) == (1, {"train": 1, "bounds": 1})
    # A success after it leaves the number as it was when the job was started.
    finish(config, network)
    assert revision(config, network) == 1
    assert revision(config, attack) == 2
    finish(config, attack)
    assert revision(config, attack) == 2


def test_a_record_that_is_none_is_no_record(config, tmp_path):
    path = tmp_path / "record.json"
    for text in ("", "{", "[]", '{"status": "done"}'):
        path.write_text(text)
        assert read_record(path) is None
    assert read_record(tmp_path / "missing") is None
    assert records.read_outline(tmp_path / "missing") is None


@pytest.fixture
def folder(tmp_path):
    for split in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / "photos" / split / name).mkdir(parents=True)
            (tmp_path / "photos" / split / name / "1.png").write_bytes(f"{split} {name}".encode())
    return tmp_path / "photos"


def contents(folder):
    from advdim.config.data import FolderDataset

    return Contents(files_of(FolderDataset(source="folder", root=folder, native_size=8)))


def test_contents_are_read_again_only_where_the_file_system_says_otherwise(
    folder, tmp_path, monkeypatch
):
    known = contents(folder).record()
    with monkeypatch.context() as patched:
        patched.setattr("advdim.data.contents.file_hash", lambda path: pytest.fail("read"))
        assert contents(folder).digest(known) == known["content"]
    image = folder / "train/a/1.png"
    image.touch()
    assert contents(folder).seen != known["seen"]
    assert contents(folder).digest(known) == known["content"]
    image.write_bytes(b"another image")
    assert contents(folder).digest(known) != known["content"]
    image.write_bytes(b"train a")
    shutil.copytree(folder, tmp_path / "copied")
    assert contents(tmp_path / "copied").digest(known) == known["content"]
    image.rename(image.with_name("2.png"))
    assert contents(folder).digest(known) != known["content"]


def test_images_that_rows_of_parquet_name_are_contents_and_those_within_are_not_read(tmp_path):
    from advdim.config.data import ParquetDataset
    from tests.data.test_parquet import structs, write

    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(bytes([number]))
    write(tmp_path / "train.parquet", [0, 1], ["0.png", "1.png"])
    (inside,) = structs([3]).to_pylist()
    named = pa.array([{"bytes": None, "path": "2.png"}, {**inside, "path": "3.png"}])
    write(tmp_path / "test.parquet", [0, 1], named)

    def content():
        files = {split: tmp_path / f"{split}.parquet" for split in ("train", "test")}
        dataset = ParquetDataset(source="parquet", **files)
        return Contents(files_of(dataset)).content, dict(dataset.listed())

    before, listed = content()
    assert {path.name for path in listed.values()} == {"0.png", "1.png", "2.png"}
    for name, changes in (("1.png", True), ("2.png", True), ("3.png", False)):
        (tmp_path / name).write_bytes(b"grey")
        after, _ = content()
        assert (after != before) == changes, name
        before = after


def test_an_edit_of_a_users_network_makes_its_attacks_and_bounds_again(
    raw_config, tmp_path, monkeypatch
):
    module = tmp_path / "users_network.py"
    monkeypatch.syspath_prepend(tmp_path)
    module.write_text("class Net:\n    edited = 0\n")
    raw_config["networks"]["mine"] = {"kind": "module", "module": "users_network:Net"}
    raw_config["experiments"]["dimension"] |= {
        "network": ["mine", "maxpool4"], "attacks": ["fgsm"], "bounds": True, "figures": [],
    }  # fmt: skip

    def hashes():
        config = load(raw_config)
        return {result: config_hash(config, result) for result in all_results(config)}

    before = hashes()
    module.write_text("class Net:\n    edited = 1\n")
    after = hashes()
    changed = {result for result in before if before[result] != after[result]}
    own = {r for r in before if dict(r.wildcards).get("network") == "mine"}
    assert changed == own
    assert {result.stage for result in changed} == {"train", "attack", "bounds"}


def test_files_that_moved_are_the_same_images_and_swapped_splits_are_not(tmp_path):
    from advdim.config.data import ParquetDataset
    from tests.data.test_parquet import structs, write

    one, other, moved = (tmp_path / name for name in ("one.parquet", "other.parquet", "moved"))
    write(one, [0, 1], structs([1, 2]))
    write(other, [0, 1], structs([3, 4]))
    moved.mkdir()
    shutil.copy(one, moved / "elsewhere.parquet")

    def said(train, test):
        dataset = ParquetDataset(source="parquet", train=train, test=test)
        return Contents(files_of(dataset)).content, dataset.pixel_settings()

    assert said(one, other) == said(moved / "elsewhere.parquet", other)
    assert said(one, other) != said(other, one)
