"""Pareto imbalance, the family of ImageNet-LT."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from data_tools.imbalance.base import (
    Largest,
    Seed,
    head_size,
    imbalance,
    keep_available,
    whole,
)
from data_tools.samples import IntArray


@imbalance("pareto")
def pareto(
    label: IntArray,
    classes: int,
    *,
    power: Annotated[float, Field(gt=0)] = 6.0,
    largest: Largest | None = None,
    smallest: Annotated[int, Field(ge=1)] = 5,
    seed: Seed = 0,
) -> IntArray:
    """Class counts follow a Pareto distribution, as ImageNet-LT's do (Liu et al. 2019, power 6).

    The counts are the distribution's quantiles, not a draw: with 1,000 classes of 1,280 to 5 images
    they come near ImageNet-LT. For ImageNet-LT itself take its lists.

    Args:
        label: ``(N,)`` int64 labels.
        classes: Number of classes C.
        power: The distribution's exponent alpha; the larger, the nearer to an exponential
            distribution.
        largest: Images of the first class; None for N / C.
        smallest: Images of the last class.
        seed: Seed of the choice of images.

    Returns:
        Kept positions, int64, sorted ascending.

    Raises:
        ValueError: ``power`` is not above 0, or ``smallest`` is not in [1, largest].
    """
    counts = pareto_counts(head_size(label, classes, largest), smallest, classes, power)
    return keep_available(label, counts, seed)


def pareto_counts(largest: int, smallest: int, classes: int, power: float = 6.0) -> IntArray:
    """``(C,)`` counts at the quantiles of a shifted Pareto distribution, both ends given.

    With ``x_c = (C / (c + 1)) ** (1 / power) - 1``, class c gets
    ``floor(smallest + (largest - smallest) * x_c / x_0)``.

    Args:
        largest: Images of the first class.
        smallest: Images of the last class, in [1, largest].
        classes: Number of classes C, at least 2.
        power: The exponent alpha, above 0.

    Raises:
        ValueError: An argument is out of its bounds.
    """
    if not power > 0:
        raise ValueError(f"Expected a number above 0 of argument `power`, but got {power}. Try: 6.")
    if not 1 <= smallest <= largest:
        raise ValueError(
            f"Expected an integer in [1, {largest}] of argument `smallest`, but got {smallest}. "
            "Try: a smaller one."
        )
    if classes < 2:
        raise ValueError(f"Expected at least two classes, but got {classes}.")
    excess = (classes / np.arange(1, classes + 1)) ** (1 / power) - 1
    return whole(smallest + (largest - smallest) * excess / excess[0])
