"""Instance-dependent noise: what the image looks like decides what it is taken for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from data_tools.noise.base import Matrix, NoisyLabels, Rate, Seed, check_rate, noise
from data_tools.randomness import generator
from data_tools.samples import IntArray, SampleSet

Pixels = Literal["raw", "unit", "normalized"]

SPREAD = 0.1  # standard deviation of the per-image noise rates, as published
BLOCK_BYTES = 64 * 2**20
FEATURES = 4096  # rows of a projection drawn at a time; another number is another draw


@noise("instance_dependent")
def instance_dependent(
    train: SampleSet, *, rate: Rate, pixels: Pixels = "raw", seed: Seed = 0
) -> NoisyLabels:
    """Noise that depends on each image's pixels (PDN, Xia et al. 2020).

    Image i gets a noise rate q_i from a normal distribution around ``rate`` (standard deviation
    0.1) cut to [0, 1]. Its pixels x_i, times a random matrix W of its class, give a score per
    class; its own class is left out, and q_i * softmax(x_i W) spreads over the others. Near 0 and 1
    the cut moves the mean: a nominal 10 % is 13 %. A rate of exactly 0 changes nothing.

    The scale of the pixels decides how sharp the softmax is and so what the problem is: figures
    made with one do not compare with figures made with another.

    Args:
        train: The images, all of one size, with their true labels. They are read in blocks of 64
            MiB.
        rate: Mean of the noise rates before the cut.
        pixels: ``raw`` 0 to 255 (the authors' code; images of another depth are brought to it),
            ``unit`` 0 to 1, or ``normalized`` by the mean and standard deviation of each channel
            over ``train`` (DISC).
            Of vectors ``raw`` is what is stored, ``normalized`` is by coordinate, and there is no
            ``unit``; of several stored views the first counts.
        seed: Seed of all draws.

    Returns:
        Labels; ``transition`` is the mean of the images' probabilities in each true class.

    Raises:
        ValueError: ``rate`` is outside [0, 1], there is one class only, the images differ in
            size, or ``unit`` is asked of vectors.
    """
    from scipy.stats import truncnorm

    check_rate(rate)
    classes = len(train.classes)
    label, transition = train.label.copy(), np.eye(classes)
    if rate == 0 or not len(train):
        return NoisyLabels(label, train.label.copy(), transition=transition)
    if classes < 2:
        raise ValueError(f"Expected at least two classes for label noise, but got {classes}.")
    if pixels == "unit" and train.spec.kind == "vector":
        raise ValueError(
            "Expected `raw` or `normalized` of argument `pixels` on vectors, which have no "
            "largest value, but got `unit`. Try: normalized."
        )
    random = generator("noise", seed)
    cut = truncnorm(-rate / SPREAD, (1 - rate) / SPREAD, loc=rate, scale=SPREAD)
    flip_rate = cut.rvs(len(train), random_state=random)
    draw = random.random(len(train))
    shift, scale = _scaling(train, pixels)
    for class_ in np.unique(train.label):
        transition[class_] = 0
        members = np.flatnonzero(train.label == class_)
        for block, flat in _blocks(train, members):
            flat -= shift
            flat /= scale
            score = _scores(flat, int(class_), classes, seed)
            chance = _chances(score, int(class_), flip_rate[block])
            label[block] = _drawn(chance, draw[block])
            transition[class_] += chance.sum(axis=0) / len(members)
    return NoisyLabels(label, train.label.copy(), transition=transition)


def _scores(flat: Matrix, class_: int, classes: int, seed: int) -> Matrix:
    """``x W`` of one class, W drawn piece by piece so that it is never held whole."""
    score = np.zeros((len(flat), classes))
    for start in range(0, flat.shape[1], FEATURES):
        piece = flat[:, start : start + FEATURES]
        random = generator(f"noise, projection of class {class_} from feature {start}", seed)
        score += piece @ random.standard_normal((piece.shape[1], classes))
    return score


def _chances(score: Matrix, class_: int, flip_rate: npt.NDArray[np.float64]) -> Matrix:
    """``(n, C)`` P(given): the class's own column is 1 - q, the others share q by softmax."""
    score = score.copy()
    score[:, class_] = -np.inf
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    chance: Matrix = weight / weight.sum(axis=1, keepdims=True) * flip_rate[:, None]
    chance[:, class_] = 1 - flip_rate
    return chance


def _drawn(chance: Matrix, draw: npt.NDArray[np.float64]) -> IntArray:
    passed = chance.cumsum(axis=1) <= draw[:, None]
    drawn: IntArray = np.minimum(passed.sum(axis=1), chance.shape[1] - 1)
    return drawn


def _blocks(train: SampleSet, members: IntArray) -> Iterator[tuple[IntArray, Matrix]]:
    """The images as rows of floats, as many at a time as fit the memory allowed."""
    shape = train[0].shape
    size = _flat(train, 0, shape).size
    rows = max(1, BLOCK_BYTES // (8 * size))
    for start in range(0, len(members), rows):
        block = members[start : start + rows]
        flat = np.empty((len(block), size))
        for row, index in enumerate(block):
            flat[row] = _flat(train, int(index), shape)
        yield block, flat


def _flat(train: SampleSet, index: int, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """The numbers of a sample that count, in one row."""
    sample, spec = train[index], train.spec
    if spec.kind == "vector":
        first: npt.NDArray[Any] = sample.reshape(-1, spec.channels)[0]
        return first
    if sample.shape != shape:
        raise ValueError(
            f"Expected images of one size for instance-dependent noise, but got {shape} "
            f"and {sample.shape}. Try: resize the images first, or another noise model."
        )
    return (sample if spec.is_eight_bits else 255 * spec.units(sample)).reshape(-1)


def _scaling(train: SampleSet, pixels: Pixels) -> tuple[Matrix | float, Matrix | float]:
    """What to subtract from the pixels, and what to divide them by."""
    if pixels == "raw":
        return 0.0, 1.0
    if pixels == "unit":
        return 0.0, 255.0
    channels = train.spec.channels
    total, squares, count = np.zeros(channels), np.zeros(channels), 0
    for _, flat in _blocks(train, np.arange(len(train))):
        values = flat.reshape(-1, channels)
        total += values.sum(axis=0)
        squares += (values**2).sum(axis=0)
        count += len(values)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 1e-12))
    repeats = flat.shape[1] // channels
    return np.tile(mean, repeats), np.tile(deviation, repeats)
