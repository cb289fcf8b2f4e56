"""Exponential imbalance, that of CIFAR-LT."""

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


@imbalance("exponential")
def exponential(
    label: IntArray,
    classes: int,
    *,
    factor: Factor,
    largest: Largest | None = None,
    seed: Seed = 0,
) -> IntArray:
    """Class counts fall exponentially from the first class to the last (CIFAR-LT, Cui et al. 2019).

    Where C does not divide N, LDAM-DRW's code lets the other counts follow N / C unrounded, so that
    some are larger by one.

    Args:
        label: ``(N,)`` int64 labels.
        classes: Number of classes C.
        factor: Largest class over smallest, at least 1.
        largest: Images of the first class; None for N / C.
        seed: Seed of the choice of images; 0 gives the images of LDAM-DRW.

    Returns:
        Kept positions, int64, sorted ascending.

    Raises:
        ValueError: ``factor`` is below 1, or so large that a class gets no image.
    """
    counts = exponential_counts(head_size(label, classes, largest), factor, classes)
    return keep_available(label, counts, seed)


def exponential_counts(largest: int, factor: float, classes: int) -> IntArray:
    """``(C,)`` counts ``floor(largest * (1 / factor) ** (c / (C - 1)))``.

    Args:
        largest: Images of the first class.
        factor: Largest class over smallest, at least 1.
        classes: Number of classes C.

    Raises:
        ValueError: ``factor`` is below 1, or so large that a class gets no image.
    """
    check_between("factor", factor, 1, float("inf"), "100")
    return whole(largest * (1 / factor) ** np.linspace(0, 1, classes))
