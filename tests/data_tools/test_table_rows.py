"""Rows of a table written again: cells as they stand, new columns beside them, whole or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from data_tools.table_rows import write_rows
from data_tools.tables import read_table

CSV = 'path,note,seed\na.png,"one, ""two""",007\n"b\nc.png",=1+1,\n\nd.png, ü ,9\n'
ROWS: list[dict[str, Any]] = [
    {"path": "a.png", "note": 'one, "two"', "seed": 7},
    {"path": "b\nc.png", "deep": {"x": [1, 2.5]}, "flag": True},
    {"path": "d.png", "note": " ü ", "seed": None},
]


def test_csv_cells_stand_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV, encoding="utf-8")
    table = read_table(tmp_path / "a.csv")
    write_rows(tmp_path / "b.csv", table, [0, 1, 2], {})
    assert (tmp_path / "b.csv").read_text(encoding="utf-8") == CSV.replace("\n\nd", "\nd")
    write_rows(tmp_path / "b.csv", table, [2, 0], {"path": ["x", "y"], "quality": [0.5, None]})
    assert (tmp_path / "b.csv").read_text(encoding="utf-8") == (
        'path,note,seed,quality\nx, ü ,9,0.5\ny,"one, ""two""",007,\n'
    )


def test_jsonl_keeps_types_and_what_a_row_lacks(tmp_path: Path) -> None:
    import json

    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    table = read_table(tmp_path / "a.jsonl")
    write_rows(tmp_path / "b.jsonl", table, [2, 1], {"quality": [0.25, 1.0]})
    lines = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()]
    assert lines == [{"path": "d.png", "note": " ü ", "quality": 0.25}, {**ROWS[1], "quality": 1.0}]


def test_parquet_keeps_the_types_of_its_columns(tmp_path: Path) -> None:
    schema = pyarrow.schema(
        [
            ("path", pyarrow.string()),
            ("seed", pyarrow.int16()),
            ("tags", pyarrow.list_(pyarrow.string())),
        ]
    )
    rows = [{"path": "a", "seed": 3, "tags": ["x"]}, {"path": "b", "seed": None, "tags": None}]
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist(rows, schema=schema), tmp_path / "a.parquet"
    )
    table = read_table(tmp_path / "a.parquet")
    write_rows(tmp_path / "b.parquet", table, [1, 0], {"path": ["B", "A"], "quality": [0.5, 1.0]})
    made = pyarrow.parquet.read_table(tmp_path / "b.parquet")
    assert made.schema.field("seed").type == pyarrow.int16()
    assert made.to_pylist() == [
        {"path": "B", "seed": None, "tags": None, "quality": 0.5},
        {"path": "A", "seed": 3, "tags": ["x"], "quality": 1.0},
    ]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_what_is_written_reads_back(suffix: str, tmp_path: Path) -> None:
    first = tmp_path / f"a{suffix}"
    columns = {"path": ["a\tb", "c,d", 'e"f'], "n": ["1", "2", "3"]}
    if suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.table(columns), first)
    else:
        (tmp_path / "t.csv").write_text('path,n\na\tb,1\n"c,d",2\n"e""f",3\n')
        table = read_table(tmp_path / "t.csv")
        object.__setattr__(table, "path", first)
        write_rows(first, table, [0, 1, 2], {})
    table = read_table(first)
    write_rows(tmp_path / f"b{suffix}", table, [2, 1], {"n": ["x", "y"]})
    again = read_table(tmp_path / f"b{suffix}")
    assert dict(again.columns) == {"path": ['e"f', "c,d"], "n": ["x", "y"]}


def test_no_rows_leave_the_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV, encoding="utf-8")
    write_rows(tmp_path / "b.csv", read_table(tmp_path / "a.csv"), [], {"quality": []})
    assert (tmp_path / "b.csv").read_text() == "path,note,seed,quality\n"
    with pytest.raises(OSError):
        write_rows(tmp_path / "no" / "b.csv", read_table(tmp_path / "a.csv"), [], {})
