"""The noise protocols of the papers on noisy long-tailed data; each is another problem."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from pydantic import Field

from data_tools.noise.base import (
    Matrix,
    NoisyLabels,
    Rate,
    Seed,
    check_rate,
    flip_by_map,
    hit,
    noise,
    share_of,
)
from data_tools.noise.symmetric import symmetric
from data_tools.randomness import generator
from data_tools.samples import IntArray, SampleSet


@noise("rolt_symmetric")
def rolt_symmetric(train: SampleSet, *, rate: Rate, seed: Seed = 0) -> NoisyLabels:
    """RoLT "sym": exactly floor(rate N) labels flip, each to any other class (Wei et al. 2021).

    On long-tailed data most samples labelled with a tail class then come from the head: 5 % are
    clean on CIFAR-10 at imbalance 100 and 40 % noise.

    Args:
        train: The images, already imbalanced, with their true labels.
        rate: Share of the labels that flip.
        seed: Seed of the draw.

    Raises:
        ValueError: ``rate`` is outside [0, 1].
    """
    return symmetric(train, rate=rate, redraw="exclusive", count="exact", seed=seed)


@noise("rolt_imbalanced")
def rolt_imbalanced(train: SampleSet, *, rate: Rate, seed: Seed = 0) -> NoisyLabels:
    """RoLT "imb": floor(rate N) labels flip, mostly to large classes (Wei et al. 2021).

    P(given j | true i) = rate n_j / (N - n_i), so the given class counts stay long-tailed.

    Args:
        train: The images, already imbalanced, with their true labels.
        rate: Share of the labels that flip.
        seed: Seed of the draw.

    Raises:
        ValueError: ``rate`` is outside [0, 1], or all images are of one class.
    """
    check_rate(rate)
    sizes = np.bincount(train.label, minlength=len(train.classes)).astype(np.float64)
    transition = imbalanced_matrix(sizes, rate)
    random = generator("noise", seed)
    label = train.label.copy()
    chosen = hit(label, rate, "exact", random)
    for class_ in np.unique(label[chosen]):
        members = chosen[train.label[chosen] == class_]
        others = np.where(np.arange(len(sizes)) == class_, 0, sizes)
        label[members] = random.choice(len(sizes), len(members), p=others / others.sum())
    return NoisyLabels(label, train.label.copy(), transition=transition)


def imbalanced_matrix(sizes: Matrix, rate: float) -> Matrix:
    """``(C, C)`` P(given j | true i) = rate n_j / (N - n_i), 1 - rate on the diagonal.

    Args:
        sizes: ``(C,)`` float64 class counts n.
        rate: Share of the labels that flip.

    Raises:
        ValueError: Fewer than two classes have samples.
    """
    if np.count_nonzero(sizes) < 2:
        raise ValueError("Expected samples of at least two classes for label noise, but got one.")
    transition: Matrix = rate * sizes[None, :] / (sizes.sum() - sizes)[:, None]
    np.fill_diagonal(transition, 1 - rate)
    return transition


@noise("tabasco_uniform")
def tabasco_uniform(train: SampleSet, *, rate: Rate, seed: Seed = 0) -> NoisyLabels:
    """TABASCO "unif": each label by itself redrawn over all classes (Lu et al. 2023).

    The true class may be redrawn: the share of wrong labels is rate * (1 - 1/C).

    Args:
        train: The images, already imbalanced, with their true labels.
        rate: Chance that a label is redrawn.
        seed: Seed of the draw.

    Raises:
        ValueError: ``rate`` is outside [0, 1].
    """
    return symmetric(train, rate=rate, redraw="inclusive", count="bernoulli", seed=seed)


@noise("tabasco_flip")
def tabasco_flip(
    train: SampleSet, *, rate: Rate, map_seed: Seed = 1, seed: Seed = 0
) -> NoisyLabels:
    """TABASCO "flip": each class to one other class drawn at random (Lu et al. 2023).

    The classes need not be alike: this is not the truck-to-automobile map.

    Args:
        train: The images, already imbalanced, with their true labels.
        rate: Chance that a label flips.
        map_seed: Seed of numpy's legacy generator that draws the map; 1 is the authors'.
        seed: Seed of the flips.

    Raises:
        ValueError: ``rate`` is outside [0, 1], or there are fewer than two classes.
    """
    classes = np.arange(len(train.classes))
    if len(classes) < 2:
        raise ValueError(f"Expected at least two classes for label noise, but got {len(classes)}.")
    legacy = np.random.RandomState(map_seed)
    target = np.asarray([legacy.choice(np.delete(classes, class_)) for class_ in classes])
    return flip_by_map(train, target, rate, "bernoulli", generator("noise", seed))


def head_classes(sizes: Matrix, head: float) -> IntArray:
    """The largest classes, in ascending order; those of smaller number first where equally large.

    Args:
        sizes: ``(C,)`` float64 class counts.
        head: Share of the classes, rounded up.

    Raises:
        ValueError: None, or all of the classes.
    """
    number = math.ceil(head * len(sizes) - 1e-9)
    if not 0 < number < len(sizes):
        raise ValueError(
            f"Expected a share of the {len(sizes)} classes that leaves some for the tail of "
            f"argument `head`, but got {head}. Try: 0.5"
        )
    return np.sort(np.argsort(-sizes, kind="stable")[:number])


def tail_to_head_matrix(sizes: Matrix, rate: float, head: float) -> Matrix:
    """``(C, C)`` P(given j | true i): rate n_j / N_head from a tail class i to a head class j.

    Args:
        sizes: ``(C,)`` float64 class counts n.
        rate: Share of the tail classes' labels that flip.
        head: Share of the classes that are the head, rounded up.
    """
    into = head_classes(sizes, head)
    transition: Matrix = np.eye(len(sizes))
    tail = np.setdiff1d(np.arange(len(sizes)), into)
    transition[tail, tail] = 1 - rate
    transition[np.ix_(tail, into)] = rate * sizes[into] / sizes[into].sum()
    return transition


@noise("tail_to_head")
def tail_to_head(
    train: SampleSet,
    *,
    rate: Rate,
    head: Annotated[float, Field(gt=0, lt=1)] = 0.5,
    seed: Seed = 0,
) -> NoisyLabels:
    """Labels of tail classes flip to head classes, never the other way (Chen et al. 2025, DULL).

    The paper's abstract says that much; the matrix that it draws from could not be read, and this
    one is of our own making. The largest classes are the head. Of all labels of the others exactly
    floor(rate N_tail) flip, each to a head class j with a chance of n_j / N_head. So the given
    counts are more long-tailed than the true ones, head classes are polluted, and what is labelled
    as tail is clean.

    Args:
        train: The images, already imbalanced, with their true labels.
        rate: Share of the tail classes' labels that flip; the share of all labels is smaller.
        head: Share of the classes that are the head, rounded up; of equally large classes those of
            smaller number come first.
        seed: Seed of the draw.

    Raises:
        ValueError: ``rate`` is outside [0, 1], or ``head`` leaves no class for the head or the
            tail.
    """
    check_rate(rate)
    sizes = np.bincount(train.label, minlength=len(train.classes)).astype(np.float64)
    transition = tail_to_head_matrix(sizes, rate, head)
    into = head_classes(sizes, head)
    random = generator("noise", seed)
    label = train.label.copy()
    tail = np.flatnonzero(~np.isin(label, into))
    chosen = random.choice(tail, share_of(rate, len(tail)), replace=False)
    label[chosen] = random.choice(into, len(chosen), p=sizes[into] / sizes[into].sum())
    return NoisyLabels(label, train.label.copy(), transition=transition)
