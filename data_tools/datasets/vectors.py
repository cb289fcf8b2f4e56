"""Vectors that an encoder made of samples, from a file of :mod:`data_tools.vector_file`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from data_tools.class_names import sorted_classes
from data_tools.datasets.base import NoTrainingSamplesError, Splits, dataset
from data_tools.input_spec import InputSpec
from data_tools.samples import SampleSet
from data_tools.vector_checks import SPLITS
from data_tools.vector_file import MAP_ABOVE_MB, VectorFile, read_vectors
from data_tools.vector_rows import VectorRows


@dataset("vectors")
def vectors(
    *,
    file: str,
    test_file: str | None = None,
    validation_file: str | None = None,
    label_file: str | None = None,
    expect_encoder: str | None = None,
    clean: bool = False,
    map_above_mb: Annotated[int, Field(ge=0)] = MAP_ABOVE_MB,
) -> Splits:
    """Vectors of an encoder: .npz of `supcon embed`, .npy, .safetensors or .parquet.

    A file holds one vector a sample, or several stored views of each, with labels, and may hold a
    column ``split`` of texts train, validation and test. Labels that are texts become classes in
    the order of their names, by value where every name is a whole number. Every other column is
    kept for selectors, ``path`` for audits, which show the pictures there; relative ones start from
    the file's folder.

    Args:
        file: The vectors; the suffix says the format. Without a column ``split`` all are for
            training.
        test_file: Vectors of the test set, where they are in a file of their own.
        validation_file: Vectors of the validation set, likewise.
        label_file: An ``.npy`` file with the labels of ``file``, in place of those in it or of
            ``label.npy`` beside it.
        expect_encoder: Encoder that must have made the vectors, as the files name it
            (``timm:resnet50``); null for any. Files that name different encoders are refused.
        clean: Whether the training labels are known to be right.
        map_above_mb: Size in MiB above which vectors are mapped from the disk.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A file is damaged, holds no vectors that can be used or no labels, or differs
            from the others in width, views, classes or encoder. The message names file and row.
    """
    read = {
        "train": read_vectors(file, label=label_file, map_above_mb=map_above_mb),
        **{
            split: read_vectors(name, map_above_mb=map_above_mb)
            for split, name in (("test", test_file), ("validation", validation_file))
            if name is not None
        },
    }
    for each in read.values():
        if each.label is None:
            raise ValueError(
                f"Expected labels in {each.path}, but got none. Try: an array `label`, or "
                "`label_file`."
            )
    _expect_one_encoder(list(read.values()), expect_encoder)
    _expect_one_layout(list(read.values()))
    classes = _common_classes(list(read.values()))
    parts = {split: _part(each, classes) for split, each in read.items()}
    places = read["train"].split
    if places is not None:
        whole = parts.pop("train")
        for split in SPLITS:
            index = np.flatnonzero(places == split)
            if len(index) and split in parts:
                raise ValueError(
                    f"Expected the {split} set in one file, but got {len(index)} rows of split "
                    f"`{split}` in {file} beside `{split}_file`. Try: leave one of them out."
                )
            if len(index):
                parts[split] = _taken(whole, index)
    if "train" not in parts:
        nothing = next(iter(parts.values())).take(np.empty(0, np.int64))
        raise NoTrainingSamplesError(
            file,
            Splits(nothing, parts.get("test"), False, parts.get("validation"), read["train"].meta),
        )
    return Splits(
        train=parts["train"],
        test=parts.get("test"),
        truth_known=clean,
        validation=parts.get("validation"),
        made_by=read["train"].meta,
    )


def _expect_one_encoder(read: Sequence[VectorFile], expected: str | None) -> None:
    named = [(each.path, each.meta.get("encoder")) for each in read]
    for path, encoder in named:
        if expected is not None and encoder != expected:
            got = "no encoder at all" if encoder is None else repr(encoder)
            raise ValueError(
                f"Expected vectors of the encoder {expected!r} (`expect_encoder`) in {path}, but "
                f"the file names {got}. Try: supcon embed {expected}, or the file of that encoder."
            )
        if encoder != named[0][1]:
            raise ValueError(
                f"Expected vectors of one encoder, {named[0][1]!r} as in {named[0][0]}, but {path} "
                f"names {encoder!r}. Try: embed all splits with one encoder."
            )


def _expect_one_layout(read: Sequence[VectorFile]) -> None:
    first = read[0]
    for each in read[1:]:
        if each.width != first.width:
            raise ValueError(
                f"Expected vectors of {first.width} coordinates in {each.path}, as in {first.path},"
                f" but got {each.width}. Try: embed all splits with one encoder."
            )


def _common_classes(read: Sequence[VectorFile]) -> tuple[str, ...]:
    """The classes of all files: those named by a file, else all that a label names."""
    first = read[0].classes
    if all(each.classes == first for each in read):
        return first
    return sorted_classes(name for each in read for name in each.classes)


def _part(read: VectorFile, classes: tuple[str, ...]) -> SampleSet:
    label = read.label if read.label is not None else np.empty(0, np.int64)
    if read.classes != classes:
        number = np.asarray([classes.index(name) for name in read.classes], dtype=np.int64)
        label = number[label]
    return SampleSet(
        samples=VectorRows(read.vectors),
        label=label,
        classes=classes,
        columns=_columns(read),
        spec=InputSpec.of_vectors(read.width),
    )


def _columns(read: VectorFile) -> dict[str, npt.NDArray[Any]]:
    """The file's columns; a path starts from the file's folder, as in a manifest."""
    columns = dict(read.columns)
    if "path" in columns:
        folder = read.path.parent
        columns["path"] = np.asarray([str(folder / str(p)) for p in columns["path"]], dtype=object)
    return columns


def _taken(whole: SampleSet, index: npt.NDArray[Any]) -> SampleSet:
    """A split as a set of its own, whose samples have their places in the split."""
    if len(index) == len(whole):
        return whole
    part = whole.take(index)
    return SampleSet(part.samples, part.label, part.classes, part.columns, part.spec)
