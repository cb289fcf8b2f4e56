"""Class counts that somebody else chose and saved."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from data_tools.images import IntArray
from data_tools.imbalance.base import Seed, imbalance, keep


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
    text = path.read_text(encoding="utf-8-sig")
    try:
        given = _parsed(text, path.suffix)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f'Expected class counts in {path}, but got: {error}. Try: lines "class count".'
        ) from error
    if sorted(given) != list(range(classes)) or min(given.values()) < 0:
        raise ValueError(
            f"Expected a count of at least 0 for each of the classes 0 to {classes - 1} in {path}, "
            f"but got {len(given)} counts for classes {min(given, default='-')} to "
            f"{max(given, default='-')}."
        )
    return np.asarray([given[class_] for class_ in range(classes)], dtype=np.int64)


def _parsed(text: str, suffix: str) -> dict[int, int]:
    """Counts by class. A header line (one without any number) is passed over."""
    if suffix == ".json":
        content = json.loads(text)
        pairs = list(content.items() if isinstance(content, dict) else enumerate(content))
    else:
        lines = text.strip().split("\n")
        rows = list(csv.reader(lines)) if suffix == ".csv" else [line.split() for line in lines]
        if rows and not any(cell.strip().isdecimal() for cell in rows[0]):
            rows = rows[1:]
        if all(len(row) == 1 for row in rows):
            pairs = [(place, row[0]) for place, row in enumerate(rows)]
        else:
            pairs = [(class_, count) for class_, count in rows]
    counts = {int(class_): int(count) for class_, count in pairs}
    if len(counts) != len(pairs):
        raise ValueError("a class is given twice")
    return counts
