"""Confident learning: how often which class is labelled as which, and which labels that doubts.

After Northcutt et al. (2021), section 3, with the conventions of the package ``cleanlab``, whose
answers these functions give: thresholds with a tolerance of 1e-6, the largest probability where
several classes pass theirs, counts calibrated to the given labels and rounded to integers. Ties, of
remainders and of margins, go to the smaller index; there the package's answer is arbitrary.

Letters: N samples, C classes. Probabilities should be out of sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

TOLERANCE = 1e-6


def thresholds(label: Integers, probability_NC: Floats) -> Floats:
    """``(C,)`` mean probability of each class over the samples labelled so; inf if there are none.

    Args:
        label: ``(N,)`` int64 given labels.
        probability_NC: ``(N, C)`` float64.
    """
    classes = probability_NC.shape[1]
    size = np.bincount(label, minlength=classes)
    own = probability_NC[np.arange(len(label)), label]
    total = np.bincount(label, weights=own, minlength=classes)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(size > 0, np.maximum(total / size, 2 * TOLERANCE), np.inf)


def confident_class(label: Integers, probability_NC: Floats) -> Integers:
    """``(N,)`` class that a sample confidently is of, -1 for none (eq. 1).

    Args:
        label: ``(N,)`` int64.
        probability_NC: ``(N, C)`` float64.
    """
    passed = probability_NC >= thresholds(label, probability_NC) - TOLERANCE
    several = passed.sum(1) > 1
    found = np.where(several, probability_NC.argmax(1), passed.argmax(1))
    return np.where(passed.any(1), found, -1).astype(np.int64)


def count_matrix(label: Integers, probability_NC: Floats) -> Integers:
    """``(C, C)`` counts, given label by confident class, at least 1 on the diagonal (eq. 1).

    Args:
        label: ``(N,)`` int64.
        probability_NC: ``(N, C)`` float64.
    """
    classes = probability_NC.shape[1]
    found = confident_class(label, probability_NC)
    sure = found >= 0
    cell = label[sure] * classes + found[sure]
    counts = np.bincount(cell, minlength=classes * classes).reshape(classes, classes)
    np.fill_diagonal(counts, counts.diagonal().clip(min=1))
    return counts.astype(np.int64)


def confident_joint(label: Integers, probability_NC: Floats) -> Integers:
    """``(C, C)`` counts calibrated so that rows sum to the number of each given label (eq. 3).

    Args:
        label: ``(N,)`` int64.
        probability_NC: ``(N, C)`` float64.
    """
    counts = count_matrix(label, probability_NC).astype(np.float64)
    size = np.bincount(label, minlength=len(counts))
    calibrated = counts / counts.sum(1, keepdims=True) * size[:, None]
    return _rounded_rows(calibrated / calibrated.sum() * len(label))


def _rounded_rows(matrix: Floats) -> Integers:
    """Integers whose rows keep their rounded sums: what is over goes to the largest remainders."""
    rounded = np.rint(matrix)
    missing = np.rint(matrix.sum(1)) - rounded.sum(1)
    for row in missing.nonzero()[0]:
        sign = int(np.sign(missing[row]))
        order = (matrix[row] - rounded[row]).round(9).argsort(kind="stable")[::-sign]
        rounded[row, order[: int(abs(missing[row]))]] += sign
    return rounded.astype(np.int64)


def off_diagonal_issues(label: Integers, probability_NC: Floats) -> Bools:
    """Samples that are confidently of another class, unless no class is likelier than the label.

    Args:
        label: ``(N,)`` int64.
        probability_NC: ``(N, C)`` float64.

    Returns:
        ``(N,)`` bool.
    """
    found = confident_class(label, probability_NC)
    return np.asarray((found >= 0) & (found != label) & ~_likeliest(label, probability_NC))


def _likeliest(label: Integers, probability_NC: Floats) -> Bools:
    """``(N,)`` bool: no class is likelier than the label."""
    own = probability_NC[np.arange(len(label)), label]
    return np.asarray(own >= probability_NC.max(1))


def prune_by_noise_rate(label: Integers, probability_NC: Floats) -> Bools:
    """Of each cell of the joint, as many as it counts, by the margin of the other class (sec. 3.2).

    Of a class with one sample nothing is pruned, and each class keeps one that is counted as right.
    Of equal margins the smaller index is pruned first; a sample than whose label no class
    is likelier never is.

    Args:
        label: ``(N,)`` int64.
        probability_NC: ``(N, C)`` float64.

    Returns:
        ``(N,)`` bool.
    """
    classes = probability_NC.shape[1]
    number = _leaving_one(confident_joint(label, probability_NC).T).T
    issue = np.zeros(len(label), dtype=np.bool_)
    for given in range(classes):
        members = (label == given).nonzero()[0]
        if len(members) <= 1:
            continue
        for other in range(classes):
            count = min(int(number[given, other]), len(members))
            if other == given or count < 1:
                continue
            margin = probability_NC[members, other] - probability_NC[members, given]
            issue[members[(-margin).argsort(kind="stable")[:count]]] = True
    return issue & ~_likeliest(label, probability_NC)


def _leaving_one(joint: Integers) -> Integers:
    """Counts, true class by given label, with at least 1 on the diagonal, taken from the column."""
    diagonal = np.maximum(joint.diagonal(), 1)
    added = diagonal - joint.diagonal()
    shared = np.maximum(np.count_nonzero(joint, axis=0) - 1, 1)
    reduced = np.maximum(joint - added / shared, 0)
    np.fill_diagonal(reduced, diagonal)
    return _rounded_rows(reduced)


def normalized_margin(label: Integers, probability_NC: Floats) -> Floats:
    """``(N,)`` in [0, 1]: (p of the label - largest other p + 1) / 2.

    Args:
        label: ``(N,)`` int64.
        probability_NC: ``(N, C)`` float64.
    """
    rows = np.arange(len(label))
    others: NDArray[Any] = probability_NC.copy()
    others[rows, label] = -np.inf
    largest = np.maximum(others.max(1), 0)
    return np.asarray((probability_NC[rows, label] - largest + 1) / 2, dtype=np.float64)
