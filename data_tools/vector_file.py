"""One file of vectors: what an encoder made of each sample, with labels, names, splits, paths.

Letters: N samples, V stored views of each, F coordinates, C classes. The format that this package
writes is an uncompressed ``.npz``: ``vectors`` (N, F) or (N, V, F), and what else is known:
``label`` (N,), ``classes`` (C,), ``split`` (N,), further columns (N,), and ``meta``, a text of
JSON that says who made the vectors from what.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.samples import IntArray
from data_tools.vector_checks import (
    as_labels,
    as_splits,
    check_columns,
    check_layout,
    check_numbers,
)
from data_tools.vector_formats import FORMATS, RESERVED, read_label
from data_tools.vector_found import Found
from data_tools.whole_file import whole_file

Floats = npt.NDArray[np.floating[Any]]

MAP_ABOVE_MB = 256
"""MiB of vectors above which they are left on the disk and mapped."""


@dataclass(frozen=True)
class VectorFile:
    """What a file of vectors holds.

    Attributes:
        path: The file.
        vectors: ``(N, F)`` or ``(N, V, F)`` floats as they are stored; a map of the disk where they
            are many.
        label: ``(N,)`` int64 in [0, C), or None where the file has none.
        classes: Names of the C classes.
        split: ``(N,)`` texts ``train``, ``validation`` or ``test``, or None.
        columns: Whatever else is known of each sample; ``path`` where it came from a file.
        meta: Who made the vectors from what: ``encoder``, ``weights``, ``policy``, ...
    """

    path: Path
    vectors: Floats
    label: IntArray | None
    classes: tuple[str, ...] = ()
    split: npt.NDArray[Any] | None = None
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def width(self) -> int:
        """F."""
        return int(self.vectors.shape[-1])

    @property
    def views(self) -> int:
        """V, stored views of each sample."""
        return int(self.vectors.shape[1]) if self.vectors.ndim == 3 else 1


def read_vectors(
    path: str | Path, *, label: str | Path | None = None, map_above_mb: int = MAP_ABOVE_MB
) -> VectorFile:
    """Read a file of vectors; the suffix says its format.

    ``.npz`` as :func:`write_vectors` makes it; ``.npy`` with ``label.npy`` beside it;
    ``.safetensors`` with tensors ``vectors``, ``label`` and columns, and ``classes`` and ``meta``
    as JSON in its header; ``.parquet`` with one column of lists of floats, and columns ``label``,
    ``split`` and others. Every number is looked at.

    Args:
        path: The file.
        label: An ``.npy`` file of the labels, in place of those in or beside the file.
        map_above_mb: MiB above which vectors are mapped from the disk, where the format can.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged or of another format, or what it holds is no vectors of
            finite floats with labels that fit. The message names the file and the row.
        ModuleNotFoundError: It is Parquet, and ``pyarrow`` is missing.
    """
    path = Path(path)
    reader = FORMATS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(
            f"Expected a file of vectors, {', '.join(FORMATS)}, but got {path}. "
            "Try: supcon embed, which writes .npz."
        )
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of vectors, but {path} does not exist.")
    found = reader(path, map_above_mb)
    check_layout(found.vectors.shape, found.vectors.dtype, f"`{found.name}` of {path}")
    check_numbers(found.vectors, f"`{found.name}` of {path}")
    return _understood(path, found, None if label is None else Path(label))


def write_vectors(
    path: str | Path,
    vectors: Floats,
    *,
    label: IntArray | None = None,
    classes: Sequence[str] | None = None,
    split: Sequence[str] | npt.NDArray[Any] | None = None,
    columns: Mapping[str, Sequence[Any] | npt.NDArray[Any]] | None = None,
    meta: Mapping[str, Any] | None = None,
) -> None:
    """Write an ``.npz`` file of vectors, whole or not at all.

    Args:
        path: The file to make or to replace, ``.npz``.
        vectors: ``(N, F)`` or ``(N, V, F)`` float16, float32 or float64; may be mapped.
        label: ``(N,)`` int64 class numbers from 0.
        classes: Names of the classes as the labels number them.
        split: ``(N,)`` texts ``train``, ``validation`` or ``test``.
        columns: Whatever else is known of each sample, N texts or numbers a column.
        meta: Plain JSON values: who made the vectors from what.

    Raises:
        ValueError: It would be no file that :func:`read_vectors` takes.
        OSError: The file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise ValueError(f"Expected a file that ends in .npz to write vectors to, but got {path}.")
    check_layout(vectors.shape, vectors.dtype, "argument `vectors`")
    check_numbers(vectors, "argument `vectors`")
    arrays = {name: _plain(values) for name, values in (columns or {}).items()}
    wrong = sorted(arrays.keys() & RESERVED)
    if wrong:
        raise ValueError(
            f"Expected another name of a column than {', '.join(sorted(RESERVED))} in argument "
            f"`columns`, but got {wrong[0]}."
        )
    named = {"label": label, "classes": classes, "split": split}
    arrays |= {name: _plain(values) for name, values in named.items() if values is not None}
    _understood(path, Found(vectors, "vectors", arrays), None)
    arrays["meta"] = np.array(json.dumps(dict(meta or {})))
    with whole_file(path) as draft:
        np.savez(draft, allow_pickle=False, vectors=vectors, **arrays)


def _understood(path: Path, found: Found, beside: Path | None) -> VectorFile:
    """What a file holds, each part checked against the others."""
    count, arrays = len(found.vectors), found.arrays
    raw, where = arrays.get("label"), f"`label` of {path}"
    if beside is not None:
        raw, where = read_label(beside), str(beside)
    label, classes = as_labels(raw, arrays.get("classes"), count, where, path)
    columns = {name: values for name, values in arrays.items() if name not in RESERVED}
    return VectorFile(
        path=path,
        vectors=found.vectors,
        label=label,
        classes=classes,
        split=as_splits(arrays.get("split"), count, path),
        columns=check_columns(columns, count, path),
        meta=found.meta,
    )


def _plain(values: Any) -> npt.NDArray[Any]:
    """Numbers or texts as an array that needs no pickle."""
    array = np.asarray(values)
    return array.astype(str) if array.dtype.kind == "O" else array
