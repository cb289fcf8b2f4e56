"""Classes without training images: refused, kept, or left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from data_tools.datasets.base import Splits
from data_tools.printable import printable
from data_tools.samples import IntArray, SampleSet

EmptyClasses = Literal["error", "keep", "skip"]


def settle_empty_classes(source: Splits, policy: EmptyClasses) -> tuple[Splits, list[str]]:
    """Do with classes that have no training image what a policy says.

    Args:
        source: A data set.
        policy: ``error`` refuses it; ``keep`` leaves it as it is; ``skip`` leaves such classes
            out, with their validation and test images, and numbers the others anew.

    Returns:
        The data set, and a line on what was found, if anything was.

    Raises:
        ValueError: There is such a class, and the policy is ``error``.
    """
    classes = source.train.classes
    counts = np.bincount(source.train.label, minlength=len(classes))
    empty = np.flatnonzero(counts == 0)
    if not len(empty):
        return source, []
    others = [part.label for part in (source.validation, source.test) if part is not None]
    elsewhere = int(np.isin(np.concatenate([*others, empty[:0]]), empty).sum())
    names = ", ".join(printable(classes[i]) for i in empty[:5]) + ", ..." * (len(empty) > 5)
    found = "1 class has" if len(empty) == 1 else f"{len(empty)} classes have"
    line = f"{found} no training image: {names} ({elsewhere} validation and test images)"
    if policy == "error":
        raise ValueError(
            f"Expected a training image of every class, but {line}. Try: another split, or "
            "`data.empty_classes: skip` to leave them out, or `keep`."
        )
    if policy == "keep":
        return source, [f"{line}; kept"]
    return _without(source, empty), [f"{line}; left out"]


def _without(source: Splits, empty: IntArray) -> Splits:
    classes = source.train.classes
    kept = np.setdiff1d(np.arange(len(classes)), empty)
    names = tuple(classes[i] for i in kept)
    number = np.full(len(classes), -1)
    number[kept] = np.arange(len(kept))

    def renamed(part: SampleSet | None) -> SampleSet | None:
        if part is None:
            return None
        index = np.flatnonzero(number[part.label] >= 0)
        chosen = part if len(index) == len(part) else part.take(index)
        return replace(chosen, label=number[chosen.label], classes=names)

    train, test, validation = map(renamed, (source.train, source.test, source.validation))
    if train is None or not len(train):
        raise ValueError("Expected a training image, but got none.")
    return replace(source, train=train, test=_or_none(test), validation=_or_none(validation))


def _or_none(part: SampleSet | None) -> SampleSet | None:
    return part if part is not None and len(part) else None
