"""Labels that somebody else made and saved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data_tools.class_names import class_numbers
from data_tools.labels_file import KEPT_APART, LabelTable, holds_labels, read_labels
from data_tools.noise.base import NoisyLabels, in_order, noise
from data_tools.npz import open_arrays, read_member
from data_tools.plain_text import read_text
from data_tools.samples import IntArray, SampleSet
from data_tools.tables import SUFFIXES, Table, read_table
from data_tools.torch_file import load_torch_file


@noise("from_file")
def from_file(
    train: SampleSet, *, file: str, key: str | None = None, truth_key: str | None = None
) -> NoisyLabels:
    """Given labels from a file: .npy, .npz, a table, .txt, .pt, or labels exported by this package.

    A label is the name of a class, or its number where no class is called by a number.
    The vector holds a label for each training image, in order, or for each image of the whole data
    set where the training images are a part of it. Exported labels are found by their index
    instead, and their fingerprint is verified; what people said of them comes with them.

    Args:
        train: The training images with their true labels.
        file: The file. ``.txt`` has one label a line; ``.csv``, ``.tsv``, ``.jsonl`` and
            ``.parquet`` have columns.
        key: Name of the vector or column; None where the file holds just one.
        truth_key: Name of the vector of true labels, which must then equal the data set's.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: There is no such vector, its length or a label is wrong, the true labels differ,
            or the fingerprint does.
    """
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of argument `file`, but {file} does not exist.")
    if holds_labels(path):
        return _exported(read_labels(path), train, file)
    vectors = _vectors(path)
    given = in_order(_vector(vectors, key, file, train.classes), train, file)
    if truth_key is not None:
        truth = _vector(vectors, truth_key, file, train.classes)
        truth = in_order(truth, train, f"`{truth_key}` of {file}")
        _require_equal(truth, train.label, file)
    return NoisyLabels(given, train.label.copy())


def _exported(table: LabelTable, train: SampleSet, file: str) -> NoisyLabels:
    index = np.arange(len(train)) if train.origin is None else train.origin.index
    place = np.minimum(np.searchsorted(table.index, index), len(table.index) - 1)
    missing = int((table.index[place] != index).sum()) if len(table.index) else len(index)
    if missing:
        raise ValueError(
            f"Expected a label for each of the {len(train)} training images in {file}, "
            f"but {missing} have none. Try: the imbalance that the labels were exported with."
        )
    if table.truth is not None:
        truth = table.truth[place]
        if (truth < 0).any():
            raise ValueError(
                f"Expected labels of the data set's own images in {file}, but {(truth < 0).sum()} "
                "are of open-set images. Try: noise open_set with the settings in the file."
            )
        _require_equal(truth, train.label, file)
    given = in_order(table.given[place], train, file)
    judged = None if table.judged is None else table.judged[place]
    apart = table.settings.get(KEPT_APART, {})
    return NoisyLabels(given, train.label.copy(), judged=judged, kept_apart=apart)


def _vectors(path: Path) -> Any:
    """The file's vectors by name, or its only one."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        table = read_table(path)
        table.require()
        return table
    if suffix == ".npy":
        return open_arrays(path)
    if suffix == ".npz":
        with open_arrays(path) as archive:
            return {name: read_member(archive, name, path) for name in archive.files}
    if suffix == ".txt":
        lines = [line.strip() for line in read_text(path).rstrip().split("\n")]
        if "" in lines:
            raise ValueError(
                f"Expected a label in line {lines.index('') + 1} of {path}, but it is empty. "
                "Try: one label a line."
            )
        return lines
    if suffix == ".pt":
        return load_torch_file(path)
    raise ValueError(
        "Expected a .npy, .npz, .csv, .tsv, .jsonl, .parquet, .txt or .pt file of argument `file`, "
        f"but got {path}."
    )


def _vector(vectors: Any, key: str | None, file: str, classes: tuple[str, ...]) -> IntArray:
    """The class numbers of one of the vectors."""
    names = vectors.columns if isinstance(vectors, Table) else vectors
    if isinstance(names, Mapping):
        if key is None and len(names) == 1:
            key = next(iter(names))
        if key is None or key not in names:
            raise ValueError(
                f"Expected the name of a vector in {file}, but got {key}. "
                f"Try: key={', '.join(map(str, names))}."
            )
        vectors = vectors.texts(key) if isinstance(vectors, Table) else vectors[key]
    elif key is not None:
        raise ValueError(f"Expected no `key` for {file}, which holds one vector, but got {key}.")
    values = np.asarray(vectors)
    if values.dtype.kind not in "iuU" or values.ndim != 1:
        raise ValueError(
            f"Expected a vector of labels, names or integers, in {file}, "
            f"but got {values.dtype} {values.shape}."
        )
    return class_numbers(values, classes, file)


def _require_equal(truth: IntArray, label: IntArray, file: str) -> None:
    different = int((truth != label).sum())
    if different:
        raise ValueError(
            f"Expected the true labels in {file} to equal the data set's, but {different} of "
            f"{len(label)} differ. Try: the images in the order that the file was made for."
        )
