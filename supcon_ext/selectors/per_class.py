"""The best of each class: ranks within a class, and what is said of classes too small to vote."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from supcon_ext.selectors.mixtures import alike

logger = logging.getLogger(__name__)


def rank_in_class(score: Tensor, label: Tensor) -> Tensor:
    """Place of each sample among those of its class, the largest score first.

    Args:
        score: ``(N,)`` float.
        label: ``(N,)`` int64 >= 0.

    Returns:
        ``(N,)`` int64 from 0. Ties go to the smaller index, so ``rank < n`` keeps the same samples
        however often it is asked.
    """
    by_score = score.argsort(descending=True, stable=True)
    order = by_score[label[by_score].argsort(stable=True)]
    size = torch.bincount(label)
    start = size.cumsum(0) - size
    rank = torch.empty_like(label)
    rank[order] = torch.arange(len(label), device=label.device) - start[label[order]]
    return rank


def folds_by_class(lots: Tensor, label: Tensor, folds: int) -> Tensor:
    """A fold of each sample, with the same share of every class in each, as nearly as it goes.

    Args:
        lots: ``(N,)`` random numbers: who of a class goes where.
        label: ``(N,)`` int64 >= 0.
        folds: How many.

    Returns:
        ``(N,)`` int64 in [0, folds).
    """
    return (rank_in_class(lots, label) + label) % folds


def constant(score: Tensor) -> bool:
    """Whether scores say nothing, all being equal; warns then, since every sample is kept.

    Args:
        score: ``(N,)`` float. A single one, or one that is not finite, says something.
    """
    equal = len(score) > 1 and bool(score.isfinite().all()) and alike(score)
    if equal:
        logger.warning("all scores are equal: keeping every sample")
    return equal


def warn_of_small_classes(label: Tensor, classes: int, neighbours: int) -> None:
    """Warn where more neighbours vote than the smallest class has samples.

    Args:
        label: ``(N,)`` int64 >= 0.
        classes: Number of classes; those without samples do not count.
        neighbours: K.
    """
    size = torch.bincount(label, minlength=classes)
    present = size[size > 0]
    if len(present) and neighbours > int(present.min()):
        logger.warning(
            "%d neighbours vote, but the smallest class has %d samples and may be outvoted. "
            "Try: fewer neighbours",
            neighbours,
            int(present.min()),
        )
