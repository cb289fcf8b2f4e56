"""Class counts that somebody else chose and saved."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from data_tools.class_names import is_whole_number
from data_tools.imbalance.base import Seed, imbalance, keep
from data_tools.plain_text import read_text
from data_tools.samples import IntArray


@imbalance("from_file")
def from_file(label: IntArray, classes: int, *, file: str, seed: Seed = 0) -> IntArray:
    """Class counts from a file: a JSON list or mapping, or lines "count" or "class count".

    Args:
        label: ``(N,)`` int64 labels.
        classes: Number of classes C.
        file: The file. Classes are given by number; where they are not given, the lines are in
            their order.
        seed: Seed of the choice of images.

    Returns:
        Kept positions, int64, sorted ascending.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file does not give one count for each class, or asks for more images than
            there are.
    """
    return keep(label, read_counts(Path(file), classes), seed)


def read_counts(path: Path, classes: int) -> IntArray:
    """``(C,)`` class counts from a file, see :func:`from_file`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file does not give one count of at least 0 for each class.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of argument `file`, but {path} does not exist.")
    text = read_text(path)
    pairs = _from_json(path, text) if path.suffix == ".json" else _from_lines(path, text)
    given = dict(pairs)
    if len(given) < len(pairs):
        raise ValueError(f"Expected each class once in {path}, but got one twice.")
    if sorted(given) != list(range(classes)) or min(given.values()) < 0:
        raise ValueError(
            f"Expected a count of at least 0 for each of the classes 0 to {classes - 1} in {path}, "
            f"but got {len(given)} counts for classes {min(given, default='-')} to "
            f"{max(given, default='-')}."
        )
    return np.asarray([given[class_] for class_ in range(classes)], dtype=np.int64)


def _from_json(path: Path, text: str) -> list[tuple[int, int]]:
    try:
        content = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, list):
        raise ValueError(
            f"Expected class counts as a JSON list or mapping in {path}, but got something else. "
            'Try: [500, 300] or {"0": 500, "1": 300}.'
        )
    pairs = [p if isinstance(p, tuple) else (place, p) for place, p in enumerate(content)]
    for pair in pairs:
        if any(isinstance(value, bool) or not _is_whole(value) for value in pair):
            raise ValueError(
                f"Expected whole numbers as class counts in {path}, but got {pair[1]!r} for class "
                f"{pair[0]!r}. Try: [500, 300] or {{'0': 500, '1': 300}}."
            )
    return [(int(class_), int(count)) for class_, count in pairs]


def _from_lines(path: Path, text: str) -> list[tuple[int, int]]:
    """Counts by class. A header line (one without any number) is passed over."""
    rows: list[list[int]] = []
    for number, line in enumerate(text.rstrip().split("\n"), start=1):
        cells = next(csv.reader([line]), []) if path.suffix == ".csv" else line.split()
        cells = [cell.strip() for cell in cells]
        if number == 1 and cells and not any(map(is_whole_number, cells)):
            continue
        width = len(rows[0]) if rows else len(cells)
        if len(cells) != width or width not in (1, 2) or not all(map(is_whole_number, cells)):
            raise ValueError(
                f'Expected a line "count" or "class count" of whole numbers in line {number} of '
                f"{path}, but got {line.strip()!r}. Try: the same number of them in every line."
            )
        rows.append([int(cell) for cell in cells])
    return [(row[0], row[1]) if len(row) == 2 else (i, row[0]) for i, row in enumerate(rows)]


def _is_whole(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and is_whole_number(value))
