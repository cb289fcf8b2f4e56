"""Step imbalance: half of the classes are rare, all equally."""

from __future__ import annotations

import numpy as np

from data_tools.arguments import check_between
from data_tools.imbalance.base import (
    Factor,
    Largest,
    Seed,
    head_size,
    imbalance,
    keep_available,
    whole,
)
from data_tools.samples import IntArray


@imbalance("step")
def step(
    label: IntArray,
    classes: int,
    *,
    factor: Factor,
    largest: Largest | None = None,
    seed: Seed = 0,
) -> IntArray:
    """The first half of the classes stays, the other half shrinks by the factor (Buda et al. 2018).

    Args:
        label: ``(N,)`` int64 labels.
        classes: Number of classes C.
        factor: Large class over small one, at least 1.
        largest: Images of a large class; None for N / C.
        seed: Seed of the choice of images.

    Returns:
        Kept positions, int64, sorted ascending.

    Raises:
        ValueError: ``factor`` is below 1, or so large that a class gets no image.
    """
    counts = step_counts(head_size(label, classes, largest), factor, classes)
    return keep_available(label, counts, seed)


def step_counts(largest: int, factor: float, classes: int) -> IntArray:
    """``(C,)`` counts: ``largest`` of the first C // 2 classes, ``floor(largest / factor)`` else.

    Raises:
        ValueError: ``factor`` is below 1, or so large that a class gets no image.
    """
    check_between("factor", factor, 1, float("inf"), "100")
    large = np.arange(classes) < classes // 2
    return whole(np.where(large, largest, largest / factor))
