"""Images named in a table, one row each."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.class_names import numbered
from data_tools.datasets.base import NoTrainingSamplesError, Scale, Splits, dataset
from data_tools.image_files import ImageFiles, require_files
from data_tools.picture import Mode
from data_tools.samples import SampleSet
from data_tools.tables import Table, read_table

SPLITS = ("train", "val", "test")


@dataset("manifest")
def manifest(
    *,
    file: str,
    root: str | None = None,
    mode: Mode = "rgb",
    scale: Scale | None = None,
    flips: bool = True,
    clean: bool = False,
    outside: bool = False,
) -> Splits:
    """A table of images: columns path, label, optional split, any others.

    A label is one text or whole number and is taken as it stands: ``1``, ``01`` and ``1.0`` are
    three classes. Blanks around it are taken away, which the log says. Classes are in the order of
    their names, by value where every name is a whole number. ``split`` says ``train``, ``val`` or
    ``test``; without it every row is for training. Every other column is kept for selectors.

    Args:
        file: The table, in UTF-8; its suffix (``.csv``, ``.tsv``, ``.jsonl``, ``.parquet``) says
            its format.
        root: Folder that relative paths start from; None for the table's own.
        mode: ``rgb`` or ``grey``, 8 bits; ``stored`` keeps the channels and the depth of the files.
        scale: The stored value that stands for 1; None is the largest of an integer type, and 1 of
            floats, all of which must then be in [0, 1]. With it, what is outside is cut off.
        flips: Whether a mirrored image keeps its label.
        clean: Whether the labels are known to be right.
        outside: Whether images may lie outside of ``root``, by their path or by a link.

    Raises:
        FileNotFoundError: The table or an image does not exist.
        ValueError: The table is malformed, a column is missing, a label is empty or more than one
            name, a path comes twice, a split is unknown, or no row is for training. The message
            names the file and the line.
    """
    path = Path(file)
    table = read_table(path)
    table.require("path", "label")
    names = table.texts("path")
    _refuse_twice(table, names)
    label, classes = numbered(table.texts("label"))
    split = read_splits(table)
    base = path.parent if root is None else Path(root)
    files = [base / name for name in names]
    require_files(files, path)
    columns: dict[str, npt.NDArray[Any]] = {
        name: table.values(name) for name in table.columns if name not in ("path", "label", "split")
    }
    columns["path"] = np.asarray([str(name) for name in files], dtype=object)

    def part(name: str) -> SampleSet | None:
        index = np.flatnonzero(split == name)
        if not len(index):
            return None
        reader = ImageFiles([files[i] for i in index], mode, None if outside else base, scale)
        return SampleSet(
            samples=reader,
            label=label[index],
            classes=classes,
            columns={key: column[index] for key, column in columns.items()},
            spec=reader.spec(flips),
        )

    train, validation, test = map(part, ("train", "val", "test"))
    if train is not None:
        return Splits(train, test, truth_known=clean, validation=validation)
    nothing = next(each for each in (validation, test) if each is not None)
    raise NoTrainingSamplesError(
        path,
        Splits(nothing.take(np.empty(0, np.int64)), test, False, validation),
    )


def _refuse_twice(table: Table, names: list[str]) -> None:
    """Refuse a path that two rows have."""
    first: dict[str, int] = {}
    for row, name in enumerate(names):
        other = first.setdefault(posixpath.normpath(name), row)
        if other != row:
            hint = "one row for each image"
            got = f"{name} of {table.unit} {table.lines[other]} again"
            table.refuse(row, "another path", got, hint)


def read_splits(table: Table) -> npt.NDArray[Any]:
    """The split of each row, ``train`` where there is no such column.

    Raises:
        ValueError: A row has another one.
    """
    if "split" not in table.columns:
        return np.full(len(table), "train", dtype=object)
    splits = table.texts("split")
    for row, split in enumerate(splits):
        if split not in SPLITS:
            expected, hint = "train, val or test in column `split`", "no such column: all to train"
            table.refuse(row, expected, repr(split), hint)
    return np.asarray(splits, dtype=object)
