"""Pair flip: each class is taken for the next one."""

from __future__ import annotations

import numpy as np

from data_tools.noise.base import Count, NoisyLabels, Rate, Seed, flip_by_map, noise
from data_tools.randomness import generator
from data_tools.samples import SampleSet


@noise("pair_flip")
def pair_flip(
    train: SampleSet, *, rate: Rate, count: Count = "bernoulli", seed: Seed = 0
) -> NoisyLabels:
    """Class c becomes c + 1, the last one 0 (Han et al. 2018, Co-teaching).

    Args:
        train: The images with their true labels.
        rate: Share of the labels that flip.
        count: Whether that share is drawn or exact, see ``symmetric``.
        seed: Seed of the draw.

    Raises:
        ValueError: ``rate`` is outside [0, 1].
    """
    following = np.roll(np.arange(len(train.classes)), -1)
    return flip_by_map(train, following, rate, count, generator("noise", seed))
