"""What must hold of vectors and of what is known beside them, each told with its file and row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.class_names import class_numbers, numbered
from data_tools.samples import IntArray

SPLITS = ("train", "validation", "test")
BLOCK_BYTES = 64 * 2**20
_LIMIT = float(np.finfo(np.float32).max)


def check_layout(shape: tuple[int, ...], dtype: npt.DTypeLike, where: str) -> None:
    """Refuse an array that is no vectors, by its shape and type alone.

    Args:
        shape: The array's.
        dtype: The array's.
        where: What it is, for the message.

    Raises:
        ValueError: It is not ``(N, F)`` or ``(N, V, F)``, is empty, or is not of floats.
    """
    kind = np.dtype(dtype)
    if kind.kind != "f" or kind.itemsize > 8:
        hint = "x.astype('float32')"
        if kind.kind == "O":
            hint = "np.stack of vectors of one width"
        raise ValueError(
            f"Expected vectors of float16, float32 or float64 in {where}, but got "
            f"{'objects' if kind.kind == 'O' else kind}. Try: {hint}."
        )
    if len(shape) not in (2, 3):
        raise ValueError(
            f"Expected vectors (N, F), or (N, V, F) of V stored views, in {where}, but got the "
            f"shape {shape}."
        )
    if 0 in shape:
        what = "samples" if shape[0] == 0 else "coordinates" if shape[-1] == 0 else "views"
        raise ValueError(
            f"Expected at least one vector in {where}, but got no {what}: the shape {shape}."
        )


def check_numbers(vectors: npt.NDArray[Any], where: str, zeros: bool = False) -> None:
    """Refuse vectors with a number that is not finite in float32, or without any but zeros.

    Args:
        vectors: ``(N, F)`` or ``(N, V, F)``; read in blocks.
        where: What they are, for the message.
        zeros: Whether a vector may be all zeros, which one of an encoder never is.

    Raises:
        ValueError: There is one; the message names its row, its view and how many there are.
    """
    rows = max(1, BLOCK_BYTES // max(1, vectors[:1].nbytes))
    broken, empty = [], []
    for start in range(0, len(vectors), rows):
        block = np.asarray(vectors[start : start + rows])
        largest = np.abs(block).max(axis=-1).reshape(len(block), -1)  # NaN where there is one
        largest = largest.astype(np.float64)  # whose range holds the limit
        broken.append(start + np.flatnonzero(~(largest <= _LIMIT).all(axis=1)))
        if not zeros:
            empty.append(start + np.flatnonzero((largest == 0).any(axis=1)))
    for found, expected, got in (
        (np.concatenate(broken), "finite numbers, of at most 3.4e38,", "NaN, infinity or larger"),
        (
            np.concatenate([*empty, np.empty(0, np.int64)]),
            "vectors that are not all zeros",
            "zeros",
        ),
    ):
        if len(found):
            raise ValueError(
                f"Expected {expected} in {where}, but got {got} in row {found[0]}, in "
                f"{len(found)} of {len(vectors)} rows. Try: leave these samples out, or embed them "
                "again."
            )


def as_labels(
    raw: npt.NDArray[Any] | None,
    names: npt.NDArray[Any] | None,
    count: int,
    where: str,
    path: Path,
) -> tuple[IntArray | None, tuple[str, ...]]:
    """Class numbers and names of classes, as far as a file has them.

    Args:
        raw: Labels as stored: whole numbers from 0, or texts, or None.
        names: Names of classes, or None.
        count: N.
        where: What the labels are, for the message.
        path: The file, for the message.

    Raises:
        ValueError: They do not fit each other, or the vectors.
    """
    classes = () if names is None else _classes(names, path)
    if raw is None:
        return None, classes
    if raw.ndim == 2 and raw.shape[1] == 1:
        raw = raw[:, 0]
    if raw.ndim != 1 or raw.dtype.kind not in "iuUO":
        raise ValueError(
            f"Expected labels (N,), whole numbers or texts, in {where}, but got {raw.dtype} "
            f"{raw.shape}. Try: y.astype('int64')."
        )
    if len(raw) != count:
        raise ValueError(
            f"Expected {count} labels in {where}, one for each vector, but got {len(raw)}."
        )
    if raw.dtype.kind in "UO":
        texts = [str(text).strip() for text in raw.tolist()]
        bad = [row for row, text in enumerate(texts) if not text]
        if bad:
            raise ValueError(
                f"Expected a label in every row of {where}, but {len(bad)} of {count} have none, "
                f"first row {bad[0]}."
            )
        if not classes:
            return numbered(texts)
        return class_numbers(np.asarray(texts), classes, where), classes
    label = raw.astype(np.int64)
    most = len(classes) or None
    outside = np.flatnonzero((label < 0) if most is None else (label < 0) | (label >= most))
    if len(outside):
        row = int(outside[0])
        expected = "of at least 0" if most is None else f"in [0, {most}), the classes named,"
        raise ValueError(
            f"Expected labels {expected} in {where}, but got {label[row]} in row {row}, "
            f"{len(outside)} such in all. Try: leave these samples out."
        )
    return label, classes or tuple(str(number) for number in range(int(label.max()) + 1))


def as_splits(raw: npt.NDArray[Any] | None, count: int, path: Path) -> npt.NDArray[Any] | None:
    """The split of each sample, ``val`` written out.

    Raises:
        ValueError: There is another name, or another number of them.
    """
    if raw is None:
        return None
    if raw.shape != (count,):
        raise ValueError(
            f"Expected {count} texts in `split` of {path}, one for each vector, but got the shape "
            f"{raw.shape}."
        )
    split = np.asarray([str(text).strip() for text in raw.tolist()], dtype=object)
    split[split == "val"] = "validation"
    wrong = [row for row, name in enumerate(split) if name not in SPLITS]
    if wrong:
        raise ValueError(
            f"Expected {', '.join(SPLITS)} in `split` of {path}, but got {split[wrong[0]]!r} in "
            f"row {wrong[0]}."
        )
    return split


def check_columns(
    columns: Mapping[str, npt.NDArray[Any]], count: int, path: Path
) -> dict[str, npt.NDArray[Any]]:
    """Further columns, texts as objects.

    Raises:
        ValueError: One has another length.
    """
    checked = {}
    for name, column in columns.items():
        if not column.ndim or len(column) != count:
            got = f"{len(column)}" if column.ndim else "a single value"
            raise ValueError(
                f"Expected {count} values in column `{name}` of {path}, one for each vector, but "
                f"got {got}."
            )
        checked[name] = column.astype(object) if column.dtype.kind == "U" else column
    return checked


def _classes(names: npt.NDArray[Any], path: Path) -> tuple[str, ...]:
    if names.ndim != 1 or names.dtype.kind not in "iuUO":
        raise ValueError(
            f"Expected names of the classes (C,) in `classes` of {path}, but got {names.dtype} "
            f"{names.shape}."
        )
    classes = tuple(str(name).strip() for name in names.tolist())
    seen = set()
    for name in classes:
        if not name or name in seen:
            raise ValueError(
                f"Expected a name of its own for each class in `classes` of {path}, but got "
                f"{repr(name) + ' twice' if name else 'an empty one'}."
            )
        seen.add(name)
    return classes
