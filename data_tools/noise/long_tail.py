"""The noise protocols of the papers on noisy long-tailed data; each is another problem."""

from __future__ import annotations

import numpy as np

from data_tools.images import ImageSet
from data_tools.noise.base import (
    Matrix,
    NoisyLabels,
    Rate,
    Seed,
    check_rate,
    flip_by_map,
    hit,
    noise,
)
from data_tools.noise.symmetric import symmetric
from data_tools.randomness import generator


@noise("rolt_symmetric")
def rolt_symmetric(train: ImageSet, *, rate: Rate, seed: Seed = 0) -> NoisyLabels:
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
def rolt_imbalanced(train: ImageSet, *, rate: Rate, seed: Seed = 0) -> NoisyLabels:
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
def tabasco_uniform(train: ImageSet, *, rate: Rate, seed: Seed = 0) -> NoisyLabels:
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
def tabasco_flip(train: ImageSet, *, rate: Rate, map_seed: Seed = 1, seed: Seed = 0) -> NoisyLabels:
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
