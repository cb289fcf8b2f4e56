"""What the samplers that re-sample classes share: rows of each class, then samples of each row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from data_tools.samples import IntArray
from supcon_ext.samplers.base import SamplerInput
from supcon_ext.samplers.visit_in_rounds import visit_in_rounds

Shares = npt.NDArray[np.float64]


class ClassSampler(ABC):
    """Base of samplers that say how much of an epoch each class gets. A subclass writes one method.

    An epoch has as many rows as samples take part, in random order. Classes are counted, and
    re-sampled, over *trusted* samples with a known label: a rare class's given labels may be mostly
    wrong, and to repeat those would teach them. A class's rows are its share, rounded up or down at
    random so that the mean over epochs is exact; its samples take turns (see
    :func:`~supcon_ext.samplers.visit_in_rounds.visit_in_rounds`).

    A sample that comes twice in one batch comes with views of its own each time. They share its
    ``index``, so the pair rules take all of them for views of one sample: positives of each other,
    whatever is believed of the label, that count neither against a cap on positives nor as other
    samples of the class where a weighting tells the two apart.

    Args:
        only: ``trusted`` samples with a known label; or ``all``: the others come too, once each, as
            in plain shuffling.
    """

    def __init__(self, only: Literal["all", "trusted"] = "all") -> None:
        self.only = only

    @abstractmethod
    def shares(self, counts: IntArray, data: SamplerInput) -> Shares:
        """``(C,)`` float64 >= 0: how much of the epoch each class gets, up to a common factor.

        Args:
            counts: ``(C,)`` int64 > 0: trusted samples of each class that has any.
            data: The rest of what is known.
        """

    def order(self, data: SamplerInput) -> IntArray:
        """The epoch's rows: ``(n,)`` int64, n the samples that take part."""
        believed = believed_by_class(data)
        counts = np.asarray([len(members) for members in believed], dtype=np.int64)
        rows = np.zeros(0, dtype=np.int64)
        if len(counts):
            shares = self.shares(counts, data)
            rows = whole_rows(shares, int(counts.sum()), data.generator)
        rest = others(data) if self.only == "all" else np.zeros(0, dtype=np.int64)
        groups, rows = [*believed, rest], np.append(rows, len(rest))
        group = data.generator.permutation(np.repeat(np.arange(len(groups)), rows))
        order = np.empty(len(group), dtype=np.int64)
        places = np.split(np.argsort(group, kind="stable"), np.cumsum(rows)[:-1])
        for members, place in zip(groups, places, strict=True):
            order[place] = visit_in_rounds(members, place // data.batch_size, data.generator)
        return order


def believed_by_class(data: SamplerInput) -> list[IntArray]:
    """Trusted samples of each class that has any, classes ascending."""
    believed = np.flatnonzero(data.trusted & (data.label >= 0))
    label = data.label[believed]
    by_class = believed[np.argsort(label, kind="stable")]
    counts = np.bincount(label, minlength=data.classes)
    return [part for part in np.split(by_class, np.cumsum(counts)[:-1]) if len(part)]


def others(data: SamplerInput) -> IntArray:
    """Samples that are not trusted, or whose label is unknown."""
    return np.flatnonzero(~(data.trusted & (data.label >= 0)))


def whole_rows(shares: Shares, total: int, generator: Generator) -> IntArray:
    """Share ``total`` rows out in whole numbers, each its exact share rounded up or down.

    One random offset decides for all classes (systematic sampling), which come in random order, so
    that the mean over draws is the exact share.

    Args:
        shares: ``(C,)`` >= 0, not all 0.
        total: Rows in all.
        generator: Draws the offset and the order.

    Returns:
        ``(C,)`` int64 with the sum ``total``.
    """
    order = generator.permutation(len(shares))
    reach = np.cumsum(shares[order])
    # Rounded, so that a share which is whole but for floating point is never split.
    reach = np.round(reach * (total / reach[-1]), 6)
    edges = np.floor(reach + generator.random() * (1 - 1e-6)).astype(np.int64)
    rows = np.empty(len(shares), dtype=np.int64)
    rows[order] = np.diff(edges, prepend=0)
    return rows
