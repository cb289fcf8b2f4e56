"""Data that Python holds, made into the splits that every data set of this toolkit is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_tools.class_names import sorted_classes
from data_tools.datasets.base import Splits
from data_tools.given_part import FORMS, GivenPart, given_part
from data_tools.image_check import Told
from data_tools.image_files import ImageFiles
from data_tools.input_spec import InputSpec
from data_tools.picture import Mode
from data_tools.samples import IntArray, SampleSet
from data_tools.vector_checks import SPLITS


def splits_of(
    data: Any,
    *,
    mode: Mode = "rgb",
    scale: float | None = None,
    flips: bool = True,
    clean: bool = False,
    told: Told | None = None,
) -> tuple[Splits, str]:
    """Splits of data that Python holds, and a digest of all of it.

    Every sample is read once, which checks it; files are looked at only by their ends.

    Args:
        data: A torch Dataset (map style, of (image, label)), a Hugging Face Dataset, arrays (X, y),
            or (paths, labels): all for training, or a mapping of these by train, validation, test.
        mode: How files and Pillow's pictures are read: ``rgb``, ``grey`` or ``stored``.
        scale: The value that stands for 1; None is the largest of an integer type, and 1 of floats.
        flips: Whether a mirrored image keeps its label.
        clean: Whether the labels are known to be right.
        told: Told how many samples of all were read.

    Raises:
        ValueError: It is nothing of the kind, has no split ``train``, or the splits differ.
    """
    given = by_split(data)
    total = sum(_count(part) for part in given.values())
    done = 0

    def seen() -> None:
        nonlocal done
        done += 1
        if told is not None:
            told(done, total)

    parts = {
        split: given_part(part, f"the {split} data", mode, scale, seen)
        for split, part in given.items()
    }
    made = joined(parts, flips, scale, clean)
    told_apart = [made.train.classes, [[split, part.digest] for split, part in parts.items()]]
    return made, hashlib.sha256(json.dumps(told_apart).encode()).hexdigest()


def samples_of(
    x: Any, *, mode: Mode = "rgb", scale: float | None = None, flips: bool = True
) -> SampleSet:
    """Samples whose labels are not known, as one class; checked as :func:`splits_of` checks them.

    No digest is made of them.

    Args:
        x: Arrays, paths, or a list of pictures or vectors.
        mode: How files and Pillow's pictures are read: ``rgb``, ``grey`` or ``stored``.
        scale: The value that stands for 1; None is the largest of an integer type, and 1 of floats.
        flips: Whether a mirrored image keeps its label.

    Raises:
        ValueError: It is nothing of the kind.
    """
    label = np.zeros(len(x), dtype=np.int64)
    part = given_part((x, label), "the samples", mode, scale, digests=False)
    return joined({"train": part}, flips, scale, False).train


def joined(parts: Mapping[str, GivenPart], flips: bool, scale: float | None, clean: bool) -> Splits:
    """The splits, whose classes are those that the data names, else all that a label names.

    Raises:
        ValueError: They differ in their classes, or in what their samples are.
    """
    classes = _classes(parts)
    sets = {name: _set(part, classes, flips, scale) for name, part in parts.items()}
    _expect_alike(sets)
    test, validation = sets.get("test"), sets.get("validation")
    return Splits(sets["train"], test, truth_known=clean, validation=validation)


def by_split(data: Any) -> dict[str, Any]:
    """Data by its splits; all of it is for training where it names none.

    Raises:
        ValueError: A split is unknown, or `train` is missing.
    """
    if not isinstance(data, Mapping):
        return {"train": data}
    wrong = [str(name) for name in data if name not in SPLITS]
    if wrong or "train" not in data:
        raise ValueError(
            f"Expected data by {', '.join(SPLITS)}, of which `train` must be there, but got "
            f"{', '.join(map(str, data)) or 'an empty mapping'}. Try: {{'train': ..., "
            "'test': ...}, each " + FORMS
        )
    return {split: data[split] for split in SPLITS if data.get(split) is not None}


def _count(part: Any) -> int:
    held = part[0] if isinstance(part, tuple) and part else part
    return len(held) if hasattr(held, "__len__") else 0


def _classes(parts: Mapping[str, GivenPart]) -> tuple[str, ...]:
    named = {split: part.classes for split, part in parts.items()}
    first = named["train"]
    if first is None and not any(named.values()):
        return sorted_classes(str(label) for part in parts.values() for label in part.label)
    for split, classes in named.items():
        if classes != first:
            raise ValueError(
                f"Expected the classes of the train data in the {split} data, in the same order, "
                f"but got {_shown(classes)}, and not {_shown(first)}."
            )
    return first or ()


def _shown(classes: tuple[str, ...] | None) -> str:
    return "none that are named" if classes is None else f"{len(classes)} ({', '.join(classes)})"


def _set(part: GivenPart, classes: tuple[str, ...], flips: bool, scale: float | None) -> SampleSet:
    columns = {}
    if part.paths is not None:
        columns["path"] = np.asarray(part.paths, dtype=object)
    files = part.samples
    spec = (
        files.spec(flips)
        if isinstance(files, ImageFiles)
        else InputSpec.of(files, flips=flips, scale=scale)
    )
    return SampleSet(files, _numbers(part, classes), classes, columns, spec)


def _numbers(part: GivenPart, classes: tuple[str, ...]) -> IntArray:
    place = {name: number for number, name in enumerate(classes)}
    if part.classes is None or (part.label and isinstance(part.label[0], str)):
        unknown = [str(each) for each in part.label if str(each) not in place]
        if unknown:
            raise ValueError(
                f"Expected labels among the classes {', '.join(classes)}, but got {unknown[0]!r}."
            )
        return np.asarray([place[str(each)] for each in part.label], dtype=np.int64)
    return np.asarray(part.label, dtype=np.int64)


def _expect_alike(sets: Mapping[str, SampleSet]) -> None:
    first = sets["train"].spec
    for split, part in sets.items():
        its = part.spec
        if (its.kind, its.channels, its.dtype) != (first.kind, first.channels, first.dtype):
            raise ValueError(
                f"Expected {first.kind}s of {first.channels} channels of {first.dtype} as the "
                f"{split} data, as in the train data, but got {its.kind}s of {its.channels} of "
                f"{its.dtype}."
            )
