"""Asymmetric noise: classes are taken for ones that look alike."""

from __future__ import annotations

import numpy as np

from data_tools.class_names import ClassName, class_number
from data_tools.noise.base import Count, NoisyLabels, Rate, Seed, flip_by_map, noise
from data_tools.noise.pair_flip import pair_flip
from data_tools.noise.superclasses import SUPERCLASSES
from data_tools.randomness import generator
from data_tools.samples import SampleSet

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR100 = tuple(sorted(name for group in SUPERCLASSES.values() for name in group))
CIFAR10_MAP = {
    "truck": "automobile",
    "bird": "airplane",
    "deer": "horse",
    "cat": "dog",
    "dog": "cat",
}


@noise("asymmetric_cifar10")
def asymmetric_cifar10(
    train: SampleSet, *, rate: Rate, count: Count = "bernoulli", seed: Seed = 0
) -> NoisyLabels:
    """CIFAR-10: truck to automobile, bird to airplane, deer to horse, cat and dog to each other.

    Five of ten classes flip, so about rate / 2 of all labels are wrong (Patrini et al. 2017). Class
    counts become uneven. ELR's code goes from class to class over labels that it has flipped
    before, so that a cat made a dog may flip back; here each label flips at most once.

    Args:
        train: CIFAR-10 with its true labels.
        rate: Share of the labels hit; those of the other five classes stay as they are.
        count: ``exact`` hits floor(rate N) of all samples (DivideMix), ``per_class`` floor(rate
            n_c) of each class (ELR), ``bernoulli`` each by itself (Sel-CL, MOIT).
        seed: Seed of the draw.

    Raises:
        ValueError: ``rate`` is outside [0, 1], or the classes are not CIFAR-10's.
    """
    _expect(train, CIFAR10, "CIFAR-10")
    target = np.arange(10)
    for name, other in CIFAR10_MAP.items():
        target[CIFAR10.index(name)] = CIFAR10.index(other)
    return flip_by_map(train, target, rate, count, generator("noise", seed))


@noise("asymmetric_cifar100_superclass")
def asymmetric_cifar100_superclass(
    train: SampleSet, *, rate: Rate, count: Count = "bernoulli", seed: Seed = 0
) -> NoisyLabels:
    """CIFAR-100: to the next class, in circles, of the same true superclass (Sel-CL, MOIT).

    Three definitions of asymmetric noise on CIFAR-100 circulate; figures made with one do not
    compare with figures made with another.

    Args:
        train: CIFAR-100 with its true labels.
        rate: Share of the labels that flip.
        count: Whether that share is drawn or exact, see ``asymmetric_cifar10``.
        seed: Seed of the draw.

    Raises:
        ValueError: ``rate`` is outside [0, 1], or the classes are not CIFAR-100's.
    """
    _expect(train, CIFAR100, "CIFAR-100")
    target = np.empty(100, dtype=np.int64)
    for group in SUPERCLASSES.values():
        ids = sorted(CIFAR100.index(name) for name in group)
        target[ids] = np.roll(ids, -1)
    return flip_by_map(train, target, rate, count, generator("noise", seed))


@noise("asymmetric_cifar100_blocks")
def asymmetric_cifar100_blocks(
    train: SampleSet, *, rate: Rate, count: Count = "per_class", seed: Seed = 0
) -> NoisyLabels:
    """CIFAR-100: to the next class, in circles, of the same five consecutive numbers (ELR, UNICON).

    Classes are numbered by the alphabet, so the blocks are no superclasses.

    Args:
        train: CIFAR-100 with its true labels.
        rate: Share of the labels that flip.
        count: Whether that share is drawn or exact, see ``asymmetric_cifar10``.
        seed: Seed of the draw.

    Raises:
        ValueError: ``rate`` is outside [0, 1], or the classes are not CIFAR-100's.
    """
    _expect(train, CIFAR100, "CIFAR-100")
    target = np.roll(np.arange(100).reshape(20, 5), -1, axis=1).ravel()
    return flip_by_map(train, target, rate, count, generator("noise", seed))


@noise("asymmetric_cifar100_pairflip")
def asymmetric_cifar100_pairflip(
    train: SampleSet, *, rate: Rate, count: Count = "bernoulli", seed: Seed = 0
) -> NoisyLabels:
    """CIFAR-100: class c becomes c + 1 over all hundred (Co-teaching, DISC).

    Args:
        train: CIFAR-100 with its true labels.
        rate: Share of the labels that flip.
        count: Whether that share is drawn or exact, see ``asymmetric_cifar10``.
        seed: Seed of the draw.

    Raises:
        ValueError: ``rate`` is outside [0, 1], or the classes are not CIFAR-100's.
    """
    _expect(train, CIFAR100, "CIFAR-100")
    return pair_flip(train, rate=rate, count=count, seed=seed)


@noise("asymmetric_map")
def asymmetric_map(
    train: SampleSet,
    *,
    rate: Rate,
    mapping: dict[ClassName, ClassName],
    count: Count = "bernoulli",
    seed: Seed = 0,
) -> NoisyLabels:
    """Each class named in a mapping becomes the one that it is mapped to.

    Args:
        train: The images with their true labels.
        rate: Share of the labels hit; those of classes not named stay as they are.
        mapping: From class to class, ``{husky: wolf, wolf: husky}``. A class goes by its name, on
            both sides alike; by its place from 0 only where no class is called by a number.
        count: Whether that share is drawn or exact, see ``asymmetric_cifar10``.
        seed: Seed of the draw.

    Raises:
        ValueError: ``rate`` is outside [0, 1], a class does not exist, or is mapped twice.
    """
    target = np.arange(len(train.classes))
    named: dict[int, ClassName] = {}
    for source, other in mapping.items():
        number = class_number(source, train.classes, "argument `mapping`")
        if number in named:
            raise ValueError(
                "Expected each class once on the left of argument `mapping`, but got "
                f"{named[number]!r} and {source!r}, which are one. Try: leave one out."
            )
        named[number] = source
        target[number] = class_number(other, train.classes, "argument `mapping`")
    return flip_by_map(train, target, rate, count, generator("noise", seed))


def _expect(train: SampleSet, classes: tuple[str, ...], name: str) -> None:
    """Refuse another data set; classes that are only numbered pass if there are as many."""
    numbered = tuple(str(i) for i in range(len(classes)))
    if train.classes not in (classes, numbered):
        raise ValueError(
            f"Expected the {len(classes)} classes of {name}, but got {len(train.classes)} classes "
            f"{', '.join(train.classes[:3])}... Try: asymmetric_map with a mapping of your own."
        )
