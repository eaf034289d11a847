import tracemalloc

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from advdim.sweep import Cell
from advdim.tables import (
    IDENTITY_COLUMNS,
    MEASURE_COLUMNS,
    TABLES,
    gather,
    read_parts,
    read_table,
    schema,
    summarise,
    write_table,
)
from tests.pages import blocks

CELL = {"dataset": "d", "network": "n", "size": 8, "method": "none", "epsilon": 0.0, "seed": 0}


def epoch_rows(count=5, seed=0):
    random = np.random.default_rng(seed)
    return [
        {
            **CELL,
            "seed": seed,
            "epoch": epoch,
            "split": split,
            **{column.name: random.random() for column in MEASURE_COLUMNS},
            "learning_rate": 0.1,
            "seconds": 1.0,
            "summarised": epoch >= 1,
        }
        for epoch in range(count)
        for split in ("train", "test")
    ]


@pytest.mark.parametrize("table", sorted(set(TABLES) - {"claims", "initialisation"}))
def test_the_tables_of_cells_begin_with_their_identity(table):
    assert schema(table).names[:6] == [column.name for column in IDENTITY_COLUMNS]


@pytest.mark.parametrize("table", TABLES)
def test_every_table_declares_units_and_meanings(table):
    declared = schema(table)
    assert len(set(declared.names)) == len(declared.names)
    assert all(field.metadata[b"meaning"] and b"unit" in field.metadata for field in declared)


def test_an_undeclared_column_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no column 'acuracy'"):
        write_table(tmp_path / "t.parquet", "epochs", [{**CELL, "acuracy": 1.0}])
    assert list(tmp_path.iterdir()) == []


def test_rows_are_streamed_in_constant_memory(tmp_path):
    """Ten times the cells take the memory of some thousand of them, not ten times as much."""

    def peak(cells):
        rows = ({**CELL, "seed": seed, "status": "done" * 100} for seed in range(cells))
        tracemalloc.start()
        write_table(tmp_path / "cells.parquet", "cells", rows)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert pq.ParquetFile(tmp_path / "cells.parquet").metadata.num_rows == cells
        return most

    peak(10)
    assert peak(20_000) < 1.3 * peak(2_000)


def test_gathering_cells_from_hive_folders(tmp_path):
    parts = []
    for seed in range(3):
        part = tmp_path / f"dataset=d/seed={seed}/epochs.parquet"
        write_table(part, "epochs", epoch_rows(seed=seed))
        parts.append(part)
    gather(tmp_path / "epochs.parquet", "epochs", parts)
    whole = read_table(tmp_path / "epochs.parquet")
    pd.testing.assert_frame_equal(whole, pd.concat(map(read_table, parts), ignore_index=True))
    assert pq.ParquetFile(tmp_path / "epochs.parquet").schema_arrow.equals(
        schema("epochs"), check_metadata=True
    )


def test_the_cells_files_are_one_table_for_every_reader_as_the_pages_say(tmp_path, monkeypatch):
    """Numbers are numbers, though each file's folders say them as text, too."""
    (block,) = [block for block in blocks("python") if "avg(epsilon)" in block]
    cells = [Cell("digits", "m", 8, "pgd_linf", e, s) for e in ("0.001", "0.1") for s in (0, 1)]
    for cell in cells:
        rows = [{**row, **cell.columns()} for row in epoch_rows()]
        write_table(tmp_path / f"results/cells/{cell.directory}/epochs.parquet", "epochs", rows)
    row = {**CELL, "size": 8, "epsilon": 0.1, "status": "done", "vulnerability_median": 0.5}
    write_table(tmp_path / "results/tables/cells.parquet", "cells", [row])
    monkeypatch.chdir(tmp_path)
    told = {}
    exec(compile(block, "page", "exec"), told)
    duckdb, pl = told["duckdb"], told["pl"]
    source = f"read_parquet('{told['cells']}', hive_partitioning = false)"
    numbers = {"size": 8.0, "epsilon": 0.0505, "seed": 0.5}
    for name, mean in numbers.items():
        assert duckdb.sql(f"FROM {source} SELECT avg({name})").fetchall() == [
            (pytest.approx(mean),)
        ]
        assert told["frame"][name].mean() == pytest.approx(mean)
        assert told["table"].column(name).to_pandas().mean() == pytest.approx(mean)
        epochs = pl.scan_parquet(told["cells"], hive_partitioning=False)
        assert epochs.select(pl.col(name).mean()).collect().item() == pytest.approx(mean)
    rows = 4 * len(epoch_rows())
    assert len(told["frame"]) == told["table"].num_rows == rows
    expected = schema("epochs").remove_metadata()
    assert told["table"].schema.remove_metadata().equals(expected)
    # Without it, a strength is text: why docs/tables.md says so.
    with pytest.raises(duckdb.BinderException, match="VARCHAR"):
        duckdb.sql(f"FROM '{told['cells']}' SELECT avg(epsilon)")


def test_a_measure_that_is_lost_in_one_epoch_has_no_summary():
    frame = pd.DataFrame(epoch_rows(count=9))
    lost = frame.index[frame["summarised"] & (frame["split"] == "test")][0]
    frame.loc[lost, "loss"] = np.nan
    summary = summarise(frame)
    assert np.isnan(summary["loss_median"])
    assert not np.isnan(summary["train_loss_median"])


def test_the_summary_is_the_quantiles_of_the_summarised_epochs():
    frame = pd.DataFrame(epoch_rows(count=9))
    summary = summarise(frame)
    values = [
        row["damage"] for row in epoch_rows(count=9) if row["summarised"] and row["split"] == "test"
    ]
    assert summary["damage_median"] == pytest.approx(np.median(values))
    assert summary["damage_q10"] == pytest.approx(np.percentile(values, 10))
    assert summary["damage_q90"] == pytest.approx(np.percentile(values, 90))
    assert summary["train_damage_median"] != summary["damage_median"]
    assert set(summary) <= set(schema("cells").names)


@pytest.mark.parametrize("read", [read_table, lambda path: read_parts("claims", [path])])
def test_a_damaged_file_is_named_and_what_helps(read, tmp_path):
    path = tmp_path / "claims.parquet"
    write_table(path, "claims", [])
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(
        ValueError, match=r"^Table '.*claims\.parquet' cannot be read \(.*delete it"
    ):
        read(path)
