"""Samples of which no labels are known: pictures of a folder or a table, rows of vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.datasets.base import Splits
from data_tools.datasets.manifest import read_splits
from data_tools.image_files import ImageFiles, list_images, require_files
from data_tools.input_spec import InputSpec
from data_tools.picture_reading import Reading
from data_tools.printable import printable
from data_tools.samples import SampleSet
from data_tools.tables import Table
from data_tools.unlabelled import unlabelled
from data_tools.vector_file import VectorFile
from data_tools.vector_rows import VectorRows


def folder_pictures(folder: Path, reading: Reading) -> Splits:
    """All pictures below a folder.

    Raises:
        FileNotFoundError: There is none.
    """
    paths, _ = list_images(folder, reading.mode)
    if not paths:
        raise FileNotFoundError(
            f"Expected pictures in {printable(folder)}, but found none."
            + ("" if reading.mode == "stored" else " Try: a folder with .png or .jpg below it")
        )
    return Splits(_pictures(paths, folder, reading), None, truth_known=False)


def table_pictures(table: Table, reading: Reading) -> Splits:
    """The pictures that a table names in a column ``path``, by its column ``split`` if it has one.

    Raises:
        ValueError: A path is empty, or a split unknown.
        FileNotFoundError: A picture does not exist.
    """
    folder = table.path.parent
    paths = [folder / name for name in table.texts("path")]
    require_files(paths, table.path)
    whole, split = _pictures(paths, folder, reading), read_splits(table)
    return _parted(whole, split, ("train", "val", "test"))


def vector_rows(found: VectorFile) -> Splits:
    """The vectors of a file, by its splits if it has any."""
    columns: dict[str, Any] = {}
    if "path" in found.columns:
        folder = found.path.parent
        names = [str(folder / str(path)) for path in found.columns["path"]]
        columns["path"] = np.asarray(names, dtype=object)
    whole = unlabelled(VectorRows(found.vectors), InputSpec.of_vectors(found.width), **columns)
    if found.split is None:
        return Splits(whole, None, truth_known=False)
    return _parted(whole, found.split, ("train", "validation", "test"))


def _pictures(paths: list[Path], inside: Path, reading: Reading) -> SampleSet:
    files = ImageFiles(paths, reading.mode, inside, reading.scale)
    return unlabelled(files, files.spec(), path=np.asarray(files.paths, dtype=object))


def _parted(whole: SampleSet, split: npt.NDArray[Any], names: tuple[str, str, str]) -> Splits:
    train, validation, test = (whole.take(np.flatnonzero(split == name)) for name in names)
    return Splits(
        train, test if len(test) else None, False, validation if len(validation) else None
    )
