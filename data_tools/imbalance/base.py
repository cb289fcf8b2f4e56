"""The registry of imbalance functions, and how class counts become a choice of images."""

from __future__ import annotations

import logging
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from data_tools.registry import Registry
from data_tools.samples import IntArray

logger = logging.getLogger(__name__)

Factor = Annotated[float, Field(ge=1)]
Largest = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]

imbalance = Registry[IntArray]("imbalance", "data_tools.imbalance")


def keep(label: IntArray, counts: IntArray, seed: int) -> IntArray:
    """Choose so many images of each class.

    The choice is the one most of the field shares (code of LDAM-DRW, Cao et al. 2019): numpy's
    legacy generator, one shuffle of each class's positions in file order, classes ascending, the
    first n_c kept. With seed 0 these are its images, here in file order instead of class by class.

    Args:
        label: ``(N,)`` int64 labels.
        counts: ``(C,)`` int64 number kept of each class.
        seed: Seed of the shuffles.

    Returns:
        Kept positions, int64, sorted ascending.

    Raises:
        ValueError: A class has fewer images than asked for.
    """
    have = np.bincount(label, minlength=len(counts))
    short = np.flatnonzero(counts > have[: len(counts)])
    if len(short):
        class_ = int(short[0])
        raise ValueError(
            f"Expected at most {have[class_]} images of class {class_}, but got {counts[class_]}. "
            "Try: a smaller count."
        )
    legacy = np.random.RandomState(seed)
    chosen = []
    for class_, count in enumerate(counts):
        members = np.flatnonzero(label == class_)
        legacy.shuffle(members)
        chosen.append(members[:count])
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def keep_available(label: IntArray, counts: IntArray, seed: int) -> IntArray:
    """As :func:`keep`, but a class that has fewer images gives what it has; the log says so."""
    have = np.bincount(label, minlength=len(counts))
    short = counts > have
    if short.any():
        logger.warning(
            "%d classes have fewer images than the imbalance asks for, %d images in all; "
            "they keep what they have",
            int(short.sum()),
            int((counts - have)[short].sum()),
        )
    return keep(label, np.minimum(counts, have), seed)


def head_size(label: IntArray, classes: int, largest: int | None) -> int:
    """Size of the first class: as asked for, else N / C rounded down (that of a balanced set)."""
    return len(label) // classes if largest is None else largest


def whole(counts: npt.NDArray[np.float64]) -> IntArray:
    """Counts rounded down, where one that is whole but for rounding counts as whole.

    Raises:
        ValueError: A class would be left without images.
    """
    rounded = np.floor(counts + 1e-9).astype(np.int64)
    if rounded.min() < 1:
        raise ValueError(
            f"Expected at least one image of each class, but class {int(rounded.argmin())} gets "
            f"{float(counts[rounded.argmin()]):.2f}. Try: a smaller factor, or a larger `largest`."
        )
    return rounded
