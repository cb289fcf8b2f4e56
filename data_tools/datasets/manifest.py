"""Images named in a table, one row each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from data_tools.datasets.base import Source, dataset
from data_tools.image_files import ImageFiles, Mode, require_files
from data_tools.images import ImageSet, IntArray

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "val", "test")


@dataset("manifest")
def manifest(
    *,
    file: str,
    root: str | None = None,
    mode: Mode = "rgb",
    flips: bool = True,
    clean: bool = False,
) -> Source:
    """A table of images (CSV, JSONL or Parquet): columns path, label, optional split, any others.

    Labels are class names or integers; classes are numbered in sorted order, integers by value.
    ``split`` says ``train``, ``val`` or ``test``; without it every row is for training. Every other
    column is kept for selectors.

    Args:
        file: The table; its suffix (``.csv``, ``.jsonl``, ``.parquet``) says its format.
        root: Folder that relative paths start from; None for the table's own.
        mode: ``rgb`` or ``grey``.
        flips: Whether a mirrored image keeps its label.
        clean: Whether the labels are known to be right.

    Raises:
        FileNotFoundError: The table or an image does not exist.
        ValueError: A column is missing, a label is empty, a split is unknown, or no row is for
            training.
    """
    path = Path(file)
    table = _read(path)
    for needed in ("path", "label"):
        if needed not in table:
            raise ValueError(
                f"Expected a column `{needed}` in {path}, but got {', '.join(map(str, table))}."
            )
        empty = np.flatnonzero(table[needed].isna())
        if len(empty):
            raise ValueError(
                f"Expected a {needed} in every row of {path}, but {len(empty)} rows have none, "
                f"first row {empty[0] + 1}."
            )
    split = _splits(table, path)
    label, classes = _labels(table["label"])
    base = path.parent if root is None else Path(root)
    files = [base / str(name) for name in table["path"]]
    require_files(files, path)
    columns: dict[str, npt.NDArray[Any]] = {
        str(name): table[name].to_numpy()
        for name in table
        if name not in ("path", "label", "split")
    }
    columns["path"] = np.asarray([str(name) for name in files], dtype=object)

    def part(name: str) -> ImageSet | None:
        index = np.flatnonzero(split == name)
        if not len(index):
            return None
        return ImageSet(
            images=ImageFiles([files[i] for i in index], mode),
            label=label[index],
            classes=classes,
            columns={key: column[index] for key, column in columns.items()},
            flips=flips,
        )

    train = part("train")
    if train is None:
        raise ValueError(f"Expected a row with split `train` in {path}, but got none.")
    return Source(train, part("test"), truth_known=clean, validation=part("val"))


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    if not path.is_file():
        raise FileNotFoundError(f"Expected a table of argument `file`, but {path} does not exist.")
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return pd.read_csv(path, dtype={"path": str}, keep_default_na=False, na_values=[""])
    if suffix in (".jsonl", ".ndjson"):
        return pd.DataFrame(_rows(path))
    if suffix == ".parquet":
        try:
            return pd.read_parquet(path)
        except ImportError as error:
            raise ModuleNotFoundError(
                "Expected package `pyarrow` for Parquet tables. "
                'Try: pip install "supcon-ext[parquet]"'
            ) from error
    raise ValueError(
        f"Expected a .csv, .jsonl or .parquet table of argument `file`, but got {path}."
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    rows = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise ValueError(
                    f"Expected a JSON object in line {number} of {path}, but got: {error}."
                ) from error
    return rows


def _splits(table: pd.DataFrame, path: Path) -> npt.NDArray[Any]:
    if "split" not in table:
        return np.full(len(table), "train", dtype=object)
    split: npt.NDArray[Any] = table["split"].to_numpy()
    unknown = np.flatnonzero(~np.isin(split.astype(str), SPLITS))
    if len(unknown):
        raise ValueError(
            f"Expected train, val or test in column `split` of {path}, but got "
            f"{split[unknown[0]]!r} in row {unknown[0] + 1}."
        )
    return split


def _labels(column: pd.Series) -> tuple[IntArray, tuple[str, ...]]:
    values = column.to_numpy()
    if not np.issubdtype(values.dtype, np.integer):
        values = np.asarray([str(value) for value in values])
    names, label = np.unique(values, return_inverse=True)
    return label.astype(np.int64), tuple(str(name) for name in names)
