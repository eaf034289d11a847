import re
from pathlib import Path

import pyarrow.parquet as pq

from advdim.__main__ import main
from advdim.tables import TABLES, write_table
from advdim.tables.registry import CONTENTS

ROOT = Path(__file__).parents[2]


def printed(capsys, *arguments):
    assert main(["tables", *arguments]) == 0
    out = capsys.readouterr().out
    # a path may be as long as it likes
    assert max(len(line) for line in out.splitlines() if ".parquet" not in line) <= 100
    return out


def test_every_table_says_what_a_row_is():
    assert set(CONTENTS) == set(TABLES)


def test_the_page_says_the_same():
    page = (ROOT / "docs/tables.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", page, flags=re.MULTILINE)
    tables = {name: (row, content) for name, row, content in rows if name in TABLES}
    assert tables == CONTENTS


def test_the_list_has_every_column_with_its_unit_and_every_file(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "results/tables/samples.parquet", "samples", [])
    paragraphs = printed(capsys).split("\n\n")
    assert len(paragraphs) == len(TABLES)
    for paragraph in paragraphs:
        table = paragraph.split(":")[0]
        said = " ".join(paragraph.split())
        there = "0 rows" if table == "samples" else "not there yet"
        assert f" results/tables/{table}.parquet, {there} " in said
        for column in TABLES[table]:
            name = re.sub("_q10$|_q90$", "_median", column.name)
            assert re.search(rf"[ ,]{name}(/_q10/_q90)?(?= \[|,|$)", said), (table, column.name)
            assert not column.unit or f"[{column.unit}]" in said
    assert "grad_l1_untied_median/_q10/_q90 [nats per normalised unit]" in " ".join(
        paragraphs[0].split()
    )


def test_a_table_is_described_column_by_column(capsys, tmp_path):
    write_table(tmp_path / "tables/claims.parquet", "claims", [])
    out = printed(capsys, "claims", "--results", str(tmp_path))
    assert str(tmp_path / "tables/claims.parquet") in out
    assert pq.read_metadata(tmp_path / "tables/claims.parquet").num_rows == 0
    said = " ".join(out.split())
    for column in TABLES["claims"]:
        assert " ".join(column.meaning.split()) in said
        assert f"\n{column.name}" in out


def test_a_damaged_table_is_named_and_the_others_listed(capsys, tmp_path):
    write_table(tmp_path / "tables/claims.parquet", "claims", [])
    (tmp_path / "tables/cells.parquet").write_bytes(b"PAR1 and no more")
    out = printed(capsys, "--results", str(tmp_path))
    assert f"{tmp_path / 'tables/cells.parquet'}, cannot be read: " in out
    assert f"{tmp_path / 'tables/claims.parquet'}, 0 rows" in out


def test_an_unknown_table_names_the_nearest(capsys):
    assert main(["tables", "cell"]) == 2
    assert "did you mean 'cells'?" in capsys.readouterr().err
