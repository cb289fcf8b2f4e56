"""Tables of labels, scores and paths: CSV, TSV, JSONL and Parquet, read as they stand.

Nothing is guessed: a row that is too short or too long is refused, not filled or shifted; a label
is the text that the file holds. Every message names the file and the line.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from data_tools.plain_text import read_text
from data_tools.table_formats import delimited_columns, json_columns, parquet_columns, shown

logger = logging.getLogger(__name__)

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")  # NUL and halves of characters: JSON can hold them
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
_NUMBER = re.compile(r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|nan", re.I)


@dataclass(frozen=True)
class Table:
    """Named columns of N rows each.

    Attributes:
        path: The file.
        columns: Cells by column, as the file holds them: texts from CSV and TSV, values from the
            others, None where a row has none.
        lines: Where each row stands in the file, from 1: its line, in Parquet its row.
        unit: ``line`` or ``row``.
    """

    path: Path
    columns: Mapping[str, list[Any]]
    lines: list[int]
    unit: str = "line"

    def __len__(self) -> int:
        return len(self.lines)

    def require(self, *names: str) -> None:
        """Refuse a table without these columns, or without rows, with a ValueError."""
        for name in names:
            if name not in self.columns:
                have = ", ".join(map(repr, self.columns)) or "none"
                hint = f"Try: columns that are called {', '.join(names)}"
                if re.search(r"[;\t]", "".join(self.columns)):
                    hint += ", with commas between them"
                raise ValueError(
                    f"Expected a column `{name}` in {self.path}, but got {have}. {hint}."
                )
        if not len(self):
            raise ValueError(
                f"Expected rows in {self.path}, but got none below the names of the columns. "
                "Try: a row for each sample."
            )

    def texts(self, name: str) -> list[str]:
        """A column of names: each cell a text or a whole number, without the blanks around it.

        The log says how many had blanks.

        Raises:
            ValueError: A cell is empty, or is something else (a list, a truth value, a fraction).
        """
        cells = self.columns[name]
        found = [_name(cell) for cell in cells]
        wrong = [row for row, text in enumerate(found) if text is None]
        if wrong:
            value = cells[wrong[0]]
            hint = f"one {name} in each row, as a text"
            self.refuse(wrong[0], f"one text or whole number as {name}", shown(value), hint)
        texts = [text.strip() for text in found if text is not None]
        empty = [row for row, text in enumerate(texts) if not text]
        if empty:
            raise ValueError(
                f"Expected a {name} in every row of {self.path}, but {len(empty)} of {len(self)} "
                f"have none, first in {self.unit} {self.lines[empty[0]]}. "
                f"Try: fill it in, or leave the row out."
            )
        blanks = sum(text != cell for text, cell in zip(texts, found, strict=True))
        if blanks:
            logger.warning(
                "%s: took the blanks around %d of %d cells of column `%s` away",
                self.path,
                blanks,
                len(texts),
                name,
            )
        return texts

    def values(self, name: str) -> npt.NDArray[Any]:
        """A column of anything: int64, float64 or bool where every cell is of that kind.

        Texts that are whole numbers as one writes them (``7``, not ``07``) count as such, empty
        cells as NaN among numbers. Other columns are of texts, or of what the file holds.
        """
        cells = self.columns[name]
        plain = [cell.strip() if isinstance(cell, str) else cell for cell in cells]
        for dtype, convert in _KINDS:
            converted = [convert(cell) for cell in plain]
            if all(cell is not None for cell in converted):
                return np.asarray(converted, dtype=dtype)
        column = np.empty(len(cells), dtype=object)
        for row, cell in enumerate(cells):
            column[row] = "" if cell is None else cell
        return column

    def optional_texts(self, name: str) -> list[str]:
        """As :meth:`texts`, but a cell may be empty, and the column may be missing.

        Raises:
            ValueError: A cell is something else (a list, a truth value, a fraction).
        """
        cells = self.columns.get(name, [None] * len(self))
        found = [_name(cell) for cell in cells]
        if None in found:
            row = found.index(None)
            hint = f"one {name} in each row that has one, as a text"
            self.refuse(row, f"a text or whole number as {name}", shown(cells[row]), hint)
        return [(text or "").strip() for text in found]

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        """A column as numbers, NaN where a cell is none."""
        found = [_fraction(c.strip() if isinstance(c, str) else c) for c in self.columns[name]]
        return np.asarray([np.nan if cell is None else cell for cell in found], dtype=np.float64)

    def place(self, row: int) -> str:
        """Where a row stands, for messages."""
        return f"{self.unit} {self.lines[row]} of {self.path}"

    def refuse(self, row: int, expected: str, got: str, hint: str) -> NoReturn:
        """Raise the ValueError that names a row."""
        raise ValueError(f"Expected {expected} in {self.place(row)}, but got {got}. Try: {hint}.")


def read_table(path: Path, argument: str = "file") -> Table:
    """Read a table; the suffix says its format, ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet``.

    Args:
        path: The table.
        argument: Which argument names it, for the message.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is of another format, or is malformed. The message says where.
        ModuleNotFoundError: It is Parquet, and ``pyarrow`` is missing.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(
            f"Expected a .csv, .tsv, .jsonl or .parquet table of argument `{argument}`, "
            f"but got {path}."
        )
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected a table of argument `{argument}`, but {path} does not exist."
        )
    if suffix == ".parquet":
        return Table(path, *parquet_columns(path), unit="row")
    text = read_text(path)
    if suffix in (".jsonl", ".ndjson"):
        return Table(path, *json_columns(path, text))
    return Table(path, *delimited_columns(path, text, "\t" if suffix == ".tsv" else ","))


def _name(cell: Any) -> str | None:
    """The text of a cell, empty where there is none; None where the cell is no name."""
    if isinstance(cell, str):
        return None if _UNWRITABLE.search(cell) else cell
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    return "" if cell is None else None


def _integer(cell: Any) -> int | None:
    if isinstance(cell, str):
        return int(cell) if _WHOLE.fullmatch(cell) else None
    fits = isinstance(cell, int) and not isinstance(cell, bool) and abs(cell) < 2**63
    return cell if fits else None


def _fraction(cell: Any) -> float | None:
    if isinstance(cell, str):
        return float(cell or "nan") if not cell or _NUMBER.fullmatch(cell) else None
    if cell is None:
        return float("nan")
    return float(cell) if isinstance(cell, float) else _integer(cell)


def _truth(cell: Any) -> bool | None:
    if isinstance(cell, str):
        return {"True": True, "False": False}.get(cell)
    return cell if isinstance(cell, bool) else None


_KINDS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (np.int64, _integer),
    (np.float64, _fraction),
    (np.bool_, _truth),
)
