"""The formats that tables come in, each read to cells by column and the place of each row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_tools.optional_package import optional_package

Columns = tuple[dict[str, list[Any]], list[int]]
_JSON_HINT = 'Try: {"path": "a.png", "label": "cat"}, a line for each sample.'


def delimited_columns(path: Path, text: str, delimiter: str = ",", before: int = 0) -> Columns:
    """Cells, all texts, of lines of fields whose first names the columns (RFC 4180).

    Empty lines are left out; in a table of one column, where they may be empty cells, they are
    refused but at the end.

    Args:
        path: Where the text is from.
        text: Fields are quoted where they hold a delimiter, a quote or a line end.
        delimiter: What stands between fields.
        before: Lines of the file before the text.

    Raises:
        ValueError: There are no names of columns, or one is empty or comes twice; a row has more or
            fewer fields than there are columns; a quote does not open or close a whole field.
    """
    rows = fields_of(path, text, delimiter, before)
    header = [name.strip() for name in next(rows, (0, []))[1]]
    if not any(header):
        raise ValueError(
            f"Expected the names of the columns in line {before + 1} of {path}, but it is empty. "
            "Try: a line of names, then one for each sample."
        )
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None or "" in header:
        got = f"`{twice}` twice" if twice else "a column without a name"
        raise ValueError(
            f"Expected a name of its own for each column in line {before + 1} of {path}, but got "
            f"{got}. Try: rename or remove a column (pandas: to_csv(..., index=False))."
        )
    lines: list[int] = []
    columns: list[list[Any]] = [[] for _ in header]
    empty = None
    for line, row in rows:
        if not row or (len(header) > 1 and len(row) == 1 and not row[0].strip()):
            empty = line
            continue
        if empty is not None and len(header) == 1:
            raise ValueError(
                f"Expected a {header[0]} in line {empty} of {path}, but it is empty. "
                "Try: fill it in, or remove the line."
            )
        if len(row) != len(header):
            raise ValueError(
                f"Expected {len(header)} fields ({', '.join(header)}) in line {line} of {path}, "
                f"but got {len(row)}. Try: quotes around a field that holds the delimiter."
            )
        lines.append(line)
        for column, cell in zip(columns, row, strict=True):
            column.append(cell)
    return dict(zip(header, columns, strict=True)), lines


def fields_of(
    path: Path, text: str, delimiter: str = ",", before: int = 0
) -> Iterator[tuple[int, list[str]]]:
    """Rows, each with the number of the line that it starts in.

    Raises:
        ValueError: A quote does not open or close a whole field. The message names the line.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = before + reader.line_num + 1
        try:
            row = next(reader)
            broken = any(cell[:1].isspace() and cell.lstrip()[:1] == '"' for cell in row)
        except StopIteration:
            return
        except csv.Error:
            broken = True
        if broken:
            raise ValueError(
                f"Expected quotes that open and close a whole field in line {line} of {path}, but "
                'got one that does not. Try: no blanks around the quotes, and "" for a quote '
                "inside them."
            )
        yield line, row


def json_columns(path: Path, text: str) -> Columns:
    """Values of lines that hold a JSON object each; None where one lacks a column.

    Raises:
        ValueError: A line holds something else, or an object with a key twice; or there is none.
    """
    rows: list[dict[str, Any]] = []
    lines = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        row, wrong = None, None
        try:
            row = json.loads(line, object_pairs_hook=_once)
        except json.JSONDecodeError as error:
            wrong = f"what is no JSON from character {error.pos + 1} on"
        except _KeyTwice as error:
            wrong = f"the key {error.args[0]!r} twice"
        except (ValueError, RecursionError):
            wrong = "a number too long, or brackets nested too deep, to be read"
        if wrong is not None or not isinstance(row, dict):
            raise ValueError(
                f"Expected one JSON object in line {number} of {path}, but got "
                f"{wrong or shown(row)}. {_JSON_HINT}"
            )
        rows.append(row)
        lines.append(number)
    if not rows:
        raise ValueError(f"Expected JSON objects in {path}, but the file is empty. {_JSON_HINT}")
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}, lines


class _KeyTwice(ValueError):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _KeyTwice(name)
        found[name] = value
    return found


def parquet_columns(path: Path) -> Columns:
    """Values of a Parquet file, without the index that pandas adds.

    Raises:
        ModuleNotFoundError: ``pyarrow`` is missing.
        ValueError: The file is none, or has a name of a column twice.
    """
    parquet = optional_package("pyarrow.parquet", "Parquet tables", "supcon-ext[parquet]")
    import pyarrow

    try:
        found = parquet.ParquetFile(path).read()
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(
            f"Expected a Parquet table in {path}, but it cannot be read as one. "
            "Try: write it again, or as .csv."
        ) from error
    names = [name for name in found.column_names if not name.startswith("__index_level_")]
    if len(set(names)) < len(names):
        raise ValueError(
            f"Expected a name of its own for each column of {path}, but got {', '.join(names)}."
        )
    columns = {name: found.column(name).to_pylist() for name in names}
    return columns, list(range(1, found.num_rows + 1))


def shown(value: Any) -> str:
    """A value as a message shows it: its kind, and what there is room for."""
    kinds = {str: "the text", bool: "a truth value", list: "a list", dict: "an object"}
    kinds |= {float: "a fraction", int: "a number"}
    text = ascii(value)
    kind = kinds.get(type(value), type(value).__name__)
    return f"{kind} {text if len(text) <= 60 else text[:57] + '...'}"
