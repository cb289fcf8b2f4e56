"""Predictions as a file that other programs read: CSV, JSON lines or Parquet."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from data_tools.optional_package import optional_package
from data_tools.whole_file import whole_file

SUFFIXES = (".csv", ".jsonl", ".parquet")


def check_target(target: Path, force: bool) -> None:
    """Refuse, before anything is computed, a file that cannot be written.

    Raises:
        ValueError: It ends otherwise, exists and is not to be replaced, or has no folder.
        ModuleNotFoundError: It is Parquet, and ``pyarrow`` is missing.
    """
    if target.suffix.lower() not in SUFFIXES:
        raise ValueError(
            f"Expected a file that ends in {', '.join(SUFFIXES)} to write to, but got {target}."
        )
    if not target.parent.is_dir():
        raise ValueError(f"Expected a file in a folder that exists, but got {target}.")
    if target.is_dir():
        raise ValueError(f"Expected a file to write to, but {target} is a folder.")
    if target.exists() and not force:
        raise ValueError(f"Expected a new file, but {target} exists. Try: --force, or another name")
    if target.suffix.lower() == ".parquet":
        optional_package("pyarrow", "Parquet files", "supcon-ext[parquet]", "a file .csv")


def write_predictions(target: Path, columns: dict[str, list[Any]]) -> None:
    """Write a table, whole or not at all.

    Names of files and classes stand as they are, so that a program finds them again.

    Args:
        target: The file; its suffix says the format.
        columns: Texts and numbers by column, None where there is no value.
    """
    suffix = target.suffix.lower()
    names, rows = list(columns), zip(*columns.values(), strict=True)
    with whole_file(target) as draft:
        if suffix == ".parquet":
            import pyarrow
            import pyarrow.parquet

            table = pyarrow.table(
                {name: [*map(_storable, column)] for name, column in columns.items()}
            )
            pyarrow.parquet.write_table(table, draft)
            return
        with draft.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            if suffix == ".csv":
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(names)
                writer.writerows(rows)
            else:
                for row in rows:
                    file.write(json.dumps(dict(zip(names, row, strict=True))) + "\n")


def _storable(cell: Any) -> Any:
    """A cell that Parquet takes: bytes of a file's name that are no UTF-8 are written out."""
    return cell.encode(errors="backslashreplace").decode() if isinstance(cell, str) else cell
