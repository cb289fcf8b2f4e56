"""What a noise function returns, the registry of them all, and the draws that they share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from data_tools.arguments import check_between
from data_tools.registry import Registry
from data_tools.samples import IntArray, SampleSequence, SampleSet

Matrix = npt.NDArray[np.float64]
Rate = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0)]
Count = Literal["exact", "per_class", "bernoulli"]


@dataclass(frozen=True)
class NoisyLabels:
    """Labels with noise in them, and what is known of it.

    Attributes:
        label: ``(N,)`` int64 given labels in [0, C).
        truth: ``(N,)`` int64 true labels in [0, C); -1 where the image is of no class (open-set
            noise).
        samples: The samples where noise replaced some of them, else None.
        transition: ``(C, C)`` float64 intended P(given = column | true = row), rows sum to 1; None
            where no such matrix was intended (labels from a file).
        judged: ``(N,)`` text, what people said of each label; None where they said nothing.
        kept_apart: Places of samples whose label people kept, by the set, ``validation`` or
            ``test``, that came apart from the training set.
    """

    label: IntArray
    truth: IntArray
    samples: SampleSequence | None = None
    transition: Matrix | None = None
    judged: npt.NDArray[Any] | None = None
    kept_apart: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.label.shape != self.truth.shape:
            raise ValueError(
                f"Expected as many true labels as given ones, but got {self.truth.shape} "
                f"and {self.label.shape}"
            )


noise = Registry[NoisyLabels]("noise", "data_tools.noise")


def share_of(rate: float, total: int) -> int:
    """``floor(rate * total)``, where a product that is whole but for rounding counts as whole."""
    return math.floor(rate * total + 1e-9)


def check_rate(rate: float) -> None:
    """Refuse a noise rate outside [0, 1] with a ValueError."""
    check_between("rate", rate, 0, 1, "0.4 for 40 % noise")


def hit(label: IntArray, rate: float, count: Count, random: np.random.Generator) -> IntArray:
    """Positions of the samples that noise hits.

    Args:
        label: ``(N,)`` int64 true labels.
        rate: Share of the samples.
        count: ``exact``: floor(rate N) of all samples. ``per_class``: floor(rate n_c) of each
            class. ``bernoulli``: each sample by itself with probability ``rate``.
        random: Where the draws come from.

    Returns:
        Positions, int64, sorted.

    Raises:
        ValueError: ``rate`` is outside [0, 1].
    """
    check_rate(rate)
    if count == "bernoulli":
        return np.flatnonzero(random.random(len(label)) < rate)
    if count == "exact":
        pools = [np.arange(len(label))]
    else:
        pools = [np.flatnonzero(label == class_) for class_ in np.unique(label)]
    chosen = [random.choice(pool, share_of(rate, len(pool)), replace=False) for pool in pools]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def flip_by_map(
    train: SampleSet, target: IntArray, rate: float, count: Count, random: np.random.Generator
) -> NoisyLabels:
    """Flip the labels that noise hits, each class to one other, or to itself: then it stays.

    Args:
        train: The images with their true labels.
        target: ``(C,)`` int64, the class that each class flips to.
        rate: Share of the samples hit.
        count: How they are counted, see :func:`hit`.
        random: Where the draws come from.
    """
    label = train.label.copy()
    chosen = hit(label, rate, count, random)
    label[chosen] = target[label[chosen]]
    classes = len(train.classes)
    transition = np.eye(classes) * (1 - rate)
    transition[np.arange(classes), target] += rate
    return NoisyLabels(label, train.label.copy(), transition=transition)


def in_order(vector: IntArray, train: SampleSet, what: str) -> IntArray:
    """Bring a vector of labels in the order of the training images.

    Args:
        vector: Labels of the training images, or of the whole data set that they are a part of.
        train: The training images.
        what: Where the labels come from, for the message.

    Returns:
        ``(N,)`` int64 in [0, C).

    Raises:
        ValueError: The vector has another length, or a label out of range.
    """
    if train.origin is not None and len(vector) == train.origin.size:
        vector = vector[train.origin.index]
    if vector.shape != (len(train),):
        whole = "" if train.origin is None else f" or of the {train.origin.size} of the whole set"
        raise ValueError(
            f"Expected labels of the {len(train)} training images{whole} in {what}, "
            f"but got {len(vector)}. Try: the label file of this data set."
        )
    low, high = int(vector.min(initial=0)), int(vector.max(initial=0))
    if low < 0 or high >= len(train.classes):
        raise ValueError(
            f"Expected labels in [0, {len(train.classes)}) in {what}, but got {low} to {high}."
        )
    return vector.astype(np.int64)
