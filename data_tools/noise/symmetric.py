"""Symmetric noise: a label becomes any other with equal chance."""

from __future__ import annotations

from typing import Literal

import numpy as np

from data_tools.noise.base import Count, Matrix, NoisyLabels, Rate, Seed, hit, noise
from data_tools.randomness import generator
from data_tools.samples import IntArray, SampleSet

Redraw = Literal["inclusive", "exclusive"]


@noise("symmetric")
def symmetric(
    train: SampleSet,
    *,
    rate: Rate,
    redraw: Redraw = "inclusive",
    count: Count = "exact",
    seed: Seed = 0,
) -> NoisyLabels:
    """Labels redrawn uniformly; mind that `inclusive` may redraw the true one.

    Two definitions go by this name, and are different problems. ``inclusive`` (DivideMix, UNICON,
    ELR, Sel-CL) redraws over all C classes, so that only rate * (1 - 1/C) of the labels are wrong:
    36 % at a nominal 40 % on ten classes. ``exclusive`` (Co-teaching, MOIT) redraws over the C - 1
    others. Numbers are rounded down, as by most; ELR's code rounds up. The transition is that of
    the draw; Sel-CL's code draws ``inclusive`` and records the other.

    Args:
        train: The images with their true labels.
        rate: Share of the labels that are redrawn.
        redraw: Over which classes.
        count: ``exact`` redraws floor(rate N) labels, ``per_class`` floor(rate n_c) of each class,
            ``bernoulli`` each by itself.
        seed: Seed of the draw.

    Raises:
        ValueError: ``rate`` is outside [0, 1], or there are fewer than two classes.
    """
    classes = len(train.classes)
    random = generator("noise", seed)
    label = train.label.copy()
    chosen = hit(label, rate, count, random)
    label[chosen] = redrawn(label[chosen], classes, redraw, random)
    return NoisyLabels(label, train.label.copy(), transition=uniform_matrix(classes, rate, redraw))


def redrawn(label: IntArray, classes: int, redraw: Redraw, random: np.random.Generator) -> IntArray:
    """New labels in place of these, uniformly over all classes or over all others.

    Raises:
        ValueError: There are fewer than two classes.
    """
    if classes < 2:
        raise ValueError(f"Expected at least two classes to redraw labels, but got {classes}.")
    if redraw == "inclusive":
        return random.integers(0, classes, len(label))
    return (label + random.integers(1, classes, len(label))) % classes


def uniform_matrix(classes: int, rate: float, redraw: Redraw) -> Matrix:
    """``(C, C)`` P(given | true) of symmetric noise."""
    if redraw == "inclusive":
        return np.eye(classes) * (1 - rate) + rate / classes
    others = np.full((classes, classes), rate / (classes - 1))
    np.fill_diagonal(others, 1 - rate)
    return others
