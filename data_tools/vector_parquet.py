"""Vectors in a Parquet file: a column of lists of floats."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any, cast

import numpy as np

from data_tools.optional_package import optional_package
from data_tools.vector_found import Array, Found, damaged, meta_of, texts_of

logger = logging.getLogger(__name__)


def parquet_vectors(path: Path, map_above_mb: int) -> Found:
    """Vectors of a Parquet file: the one column of lists of floats, or the one called `vectors`.

    Raises:
        ModuleNotFoundError: ``pyarrow`` is missing.
        ValueError: The file is damaged, or has no such column.
    """
    parquet = optional_package("pyarrow.parquet", "Parquet files", "supcon-ext[parquet]")
    import pyarrow

    try:
        table = parquet.ParquetFile(path).read()
    except (pyarrow.ArrowException, OSError) as error:
        raise damaged(str(path)) from error
    lists = [f.name for f in table.schema if _holds_floats(f.type, pyarrow.types)]
    if "vectors" in table.column_names:
        lists = ["vectors"]
    if len(lists) != 1:
        raise ValueError(
            f"Expected one column of lists of floats in {path}, but got "
            f"{', '.join(lists) or 'none among ' + ', '.join(table.column_names)}. "
            "Try: call it `vectors`."
        )
    name = lists[0]
    vectors = _stacked(table.column(name), f"`{name}` of {path}", pyarrow.types)
    if vectors.nbytes > map_above_mb * 2**20:
        logger.warning("%s: Parquet cannot be mapped; %d vectors read", path, len(vectors))
    others: dict[str, Array] = {}
    for other in table.column_names:
        column = table.column(other)
        if other == name or other.startswith("__index_level_"):
            continue
        if column.null_count:
            row = next(row for row, value in enumerate(column) if not value.is_valid)
            raise ValueError(
                f"Expected a value in every row of `{other}` of {path}, but row {row} has none."
            )
        others[other] = np.asarray(column.to_pylist())
    header = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    meta = header.pop("meta", None)
    others |= texts_of(header, path)
    return Found(vectors, name, others, meta_of(None if meta is None else np.array(meta), path))


def holds_vectors(path: Path) -> bool:
    """Whether a Parquet file has a column of lists of floats; False where there is no such file.

    Raises:
        ModuleNotFoundError: ``pyarrow`` is missing.
        ValueError: The file is damaged.
    """
    parquet = optional_package("pyarrow.parquet", "Parquet files", "supcon-ext[parquet]")
    import pyarrow

    if not os.path.isfile(path):
        return False
    try:
        schema = parquet.read_schema(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise damaged(str(path)) from error
    return any(_holds_floats(field.type, pyarrow.types) for field in schema)


def _holds_floats(kind: Any, types: Any) -> bool:
    lists = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return bool(lists and types.is_floating(kind.value_type))


def _stacked(column: Any, where: str, types: Any) -> Array:
    """``(N, F)`` of a column of lists that all have one length."""
    if not _holds_floats(column.type, types):
        raise ValueError(f"Expected lists of floats in {where}, but got {column.type}.")
    if not len(column):
        raise ValueError(f"Expected at least one vector in {where}, but got no rows.")
    widths = np.asarray([-1 if w is None else w for w in _widths(column)])
    usual = int(np.bincount(widths[widths >= 0], minlength=1).argmax())
    wrong = np.flatnonzero(widths != usual)
    if len(wrong):
        got = "none" if widths[wrong[0]] < 0 else f"{widths[wrong[0]]}"
        raise ValueError(
            f"Expected {usual} floats in every row of {where}, but got {got} in row {wrong[0]}, "
            f"{len(wrong)} such rows in all."
        )
    flat = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate(flat).reshape(len(column), usual)


def _widths(column: Any) -> list[int | None]:
    import pyarrow.compute

    return cast("list[int | None]", pyarrow.compute.list_value_length(column).to_pylist())
