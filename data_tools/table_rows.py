"""Some rows of a table written to another of the same format, cells as they stand."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_tools.optional_package import optional_package
from data_tools.tables import Table
from data_tools.whole_file import whole_file, write_whole


def write_rows(
    path: str | Path, table: Table, rows: Sequence[int], columns: Mapping[str, Sequence[Any]]
) -> None:
    """Write a table of some rows of another, whole or not at all.

    Args:
        path: Where to; its suffix is that of the table's own file.
        table: Where the rows are from.
        rows: Their places, in the order to write.
        columns: One value for each of these rows, by column: of new columns, after the others, and
            of those that the table has, in place of its own.
    """
    path, suffix = Path(path), table.path.suffix.lower()
    if suffix == ".parquet":
        _write_parquet(path, table, rows, columns)
        return
    cells = {
        name: columns.get(name, [values[row] for row in rows])
        for name, values in table.columns.items()
    }
    cells |= columns
    lines = zip(*cells.values(), strict=True) if rows else iter(())
    if suffix in (".jsonl", ".ndjson"):
        text = "".join(
            json.dumps(
                {name: cell for name, cell in zip(cells, line, strict=True) if cell is not None},
                ensure_ascii=False,
            )
            + "\n"
            for line in lines
        )
    else:
        file = io.StringIO(newline="")
        delimiter = "\t" if suffix == ".tsv" else ","
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(cells)
        writer.writerows(lines)
        text = file.getvalue()
    write_whole(path, text.encode(errors="surrogatepass"))


def _write_parquet(
    path: Path, table: Table, rows: Sequence[int], columns: Mapping[str, Sequence[Any]]
) -> None:
    """With the types that the columns have in the file."""
    parquet = optional_package("pyarrow.parquet", "Parquet tables", "supcon-ext[parquet]")
    import pyarrow

    kept = parquet.ParquetFile(table.path).read().take(pyarrow.array(np.asarray(rows, np.int64)))
    for name, values in columns.items():
        made = pyarrow.array(list(values))
        place = kept.column_names.index(name) if name in kept.column_names else None
        kept = (
            kept.append_column(name, made) if place is None else kept.set_column(place, name, made)
        )
    with whole_file(path) as draft:
        parquet.write_table(kept, draft)
