"""What a Snakemake user does to results: copy, touch, delete, force, select."""

import re
import shutil

import pytest

from advdim.records import read_record
from advdim.tables import read_table
from tests.workflow.conftest import ROOT, Workflow
from tests.workflow.test_workflow import (
    CELL,
    FIGURES_AGAIN,
    SANDWICH_AGAIN,
    TABLES_AGAIN,
)

RECORD = f"{CELL}/run.json"
ONE_CELL_AGAIN = {"train": 1, "attack": 1, "bounds": 1, **TABLES_AGAIN, **SANDWICH_AGAIN}


def trained(workflow: Workflow) -> set[str]:
    """Return the cells whose last job did not end at once."""
    return {name for name, text in workflow.logs().items() if "current: " not in text}


def touch_everything(workflow: Workflow) -> None:
    for path in sorted(workflow.results.rglob("*"), reverse=True):
        path.touch()


def test_a_copied_and_touched_tree_starts_nothing(workflow):
    touch_everything(workflow)
    assert set(workflow.counts()) <= {"figure", "report_page"}


def test_a_tree_without_snakemakes_memory_trains_nothing(finished, workflow):
    tables = {path: path.read_bytes() for path in workflow.results.glob("tables/*.parquet")}
    shutil.rmtree(workflow.folder / ".snakemake")
    touch_everything(workflow)
    workflow.run("--cores", "2", "--omit-from", "figure")
    for stage in ("train", "attack", "bounds", "initialisation", "pixels"):
        started = [text for text in workflow.logs(stage).values() if "INFO current: " in text]
        again = [text for text in started if "training dataset=" in text or "bounded" in text]
        assert again == []
    assert {path: path.read_bytes() for path in tables} == tables
    # Equally old files start nothing: the clock of a file system ticks every few milliseconds.
    assert set(workflow.counts()) <= {"figure", "report_page"}


def test_other_settings_are_noticed_without_snakemakes_memory(workflow):
    shutil.rmtree(workflow.folder / ".snakemake")
    workflow.only("regularisation")
    workflow.config["methods"]["pgd_linf"]["steps"] = 3
    done = workflow.run("--cores", "2", check=False)
    assert done.returncode
    assert "1 result is not of the present settings" in done.stderr
    (command,) = re.findall(r"^  (\S.* -R .*)$", done.stderr, flags=re.MULTILINE)
    pasted = workflow.paste(f"{command} --workflow-profile {ROOT}/profiles/default")
    assert pasted.returncode == 0
    assert (
        len([name for name in trained(workflow) if "strided4" in name and "pgd_linf" in name]) == 1
    )
    assert workflow.counts() == {}


@pytest.mark.parametrize("option", ["--force", "-R"])
def test_a_forced_file_is_made_again_at_once_and_once(workflow, option):
    network = workflow.folder / CELL / "network.safetensors"
    before, content = network.stat().st_mtime_ns, network.read_bytes()
    expected = {"train": 1} if option == "--force" else {
        **ONE_CELL_AGAIN, **FIGURES_AGAIN
    }  # fmt: skip
    assert workflow.counts(option, RECORD) == expected
    rest = ("--until", "attack") if option == "-R" else ()
    workflow.run("--cores", "2", option, RECORD, *rest)
    assert network.stat().st_mtime_ns > before
    assert network.read_bytes() == content
    name = CELL.removeprefix("results/cells/")
    assert workflow.logs()[name].count("training dataset=") == 1
    if option == "-R":
        # The same network: what was made from it is current.
        assert "INFO current: " in workflow.logs("attack")[f"{name}/attack=fgsm"]


def test_a_forced_rule_makes_all_its_results_again(finished):
    assert finished.counts("-R", "train")["train"] == 7
    assert finished.counts("--forceall")["pixels"] == 2
    assert "train" not in finished.counts("-R", "attack")


def test_parts_may_be_selected(workflow):
    workflow.config["experiments"]["dimension"]["epsilons"].append(0.1)
    assert workflow.counts("--until", "train") == {"train": 2}
    omitted = workflow.counts("--omit-from", "attack")
    assert omitted["train"] == omitted["bounds"] == 2
    assert not {"attack", "report_page", "table attack_summaries"} & set(omitted)
    target = RECORD.replace("epsilon=0.01", "epsilon=0.1")
    assert workflow.counts("--", target) == {"train": 1}


def test_touching_and_deleting_outputs_as_elsewhere(workflow):
    workflow.run("--cores", "1", "--touch", "--forceall")
    assert workflow.counts() == {}
    workflow.run("--cores", "1", "--delete-all-output")
    assert not list(workflow.results.rglob("*.parquet"))
    assert not list(workflow.results.rglob("*.safetensors"))
    assert workflow.counts()["train"] == 7


def test_deleted_pixels_are_made_again_and_train_nothing_again(workflow):
    shutil.rmtree(workflow.results / "pixels")
    workflow.only("regularisation")
    before = trained(workflow)
    workflow.config["experiments"]["regularisation"]["epsilons"].append(0.1)
    workflow.run("--cores", "2", "--until", "train")
    assert len(trained(workflow)) - len(before) == 2 - len(before - trained(workflow))
    again = {name for name, text in workflow.logs().items() if "training dataset=" in text}
    assert {name.split("epsilon=")[1] for name in again - before} == {"0.1/seed=0"}
    assert "train" not in workflow.counts()


def test_a_source_that_was_touched_starts_nothing_one_that_changed_all(raw_config, tmp_path):
    for split, count in (("train", 12), ("test", 4)):
        write_images(tmp_path / f"{split}.parquet", count)
    raw_config["datasets"] = {
        "digits": {"source": "parquet", "train": "train.parquet", "test": "test.parquet"}
    }
    raw_config["experiments"] = {
        "e": {"dataset": "digits", "network": "strided4", "sizes": [8], "epsilons": [0]}
    }
    del raw_config["initialisation"]
    workflow = Workflow(tmp_path, raw_config)
    cells = ("--", "results/tables/cells.parquet")
    workflow.run("--cores", "2", *cells)
    (tmp_path / "train.parquet").touch()
    assert workflow.counts(*cells) == {}
    write_images(tmp_path / "train.parquet", 13)
    assert workflow.counts(*cells) == {"pixels": 1, "train": 1, "table cells": 1}
    workflow.run("--cores", "2", *cells)
    (record,) = (read_record(path) for path in workflow.results.rglob("run.json"))
    assert record["revision"] == 0
    assert workflow.counts(*cells) == {}


def write_images(path, count):
    import io

    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    random, rows = np.random.default_rng(count), []
    for k in range(count):
        file = io.BytesIO()
        Image.fromarray(random.integers(0, 256, (8, 8), dtype=np.uint8)).save(file, "PNG")
        rows.append({"image": {"bytes": file.getvalue(), "path": None}, "label": k % 2})
    pq.write_table(pa.Table.from_pylist(rows), path)


def test_snakemakes_own_report_is_made(workflow):
    workflow.run("--report", "workflow.html")
    assert (workflow.folder / "workflow.html").stat().st_size > 100_000


def test_statuses_of_all_results_are_in_their_records(finished):
    records = [read_record(path) for path in finished.results.rglob("*.json")]
    assert len(records) == 2 + 7 + 4 + 4 + 1
    assert {record["status"] for record in records} == {"done"}
    runs = {record["run"] for record in records}
    assert len(runs) == 1
    assert read_table(finished.results / "tables/cells.parquet")["error"].isna().all()
