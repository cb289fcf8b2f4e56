"""Doubted labels in groups of look-alikes, so that people judge many at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from data_tools.samples import IntArray

SIZE = 24
"""About how many samples a group has."""


def judging_groups(
    features: Tensor, given: IntArray, suggested: IntArray, numbers: Sequence[int]
) -> list[list[int]]:
    """Samples of one given and one suggested label, parted by what they look like.

    Where a pair of labels has many samples, they are parted by scikit-learn's bisecting k-means of
    their features.

    Args:
        features: ``(N, F)`` of all samples.
        given: ``(N,)`` int64.
        suggested: ``(N,)`` int64.
        numbers: Of the samples to group.

    Returns:
        The groups, the largest pairs of labels first; in each, the order of ``numbers``.
    """
    pairs: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number in numbers:
        pairs[int(given[number]), int(suggested[number])].append(number)
    groups: list[list[int]] = []
    for members in sorted(pairs.values(), key=len, reverse=True):
        part = _parts(features[members].double().numpy())
        groups += [
            [member for member, own in zip(members, part, strict=True) if own == number]
            for number in dict.fromkeys(part.tolist())
        ]
    return groups


def _parts(rows: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> IntArray:
    """``(n,)`` number of the part that each row is in."""
    from sklearn.cluster import BisectingKMeans

    parts = min(-(-len(rows) // SIZE), len(np.unique(rows, axis=0)))
    if parts < 2:
        return np.zeros(len(rows), dtype=np.int64)
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    found: IntArray = BisectingKMeans(parts, random_state=0).fit_predict(unit).astype(np.int64)
    return found
