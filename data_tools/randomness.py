"""The one way to seed: every generator of numbers follows from a key of whole numbers."""

from __future__ import annotations

import zlib

import numpy as np


def stream(*key: int) -> np.random.SeedSequence:
    """What seeds a generator of any library: other keys are independent, however alike they are.

    Args:
        *key: Whole numbers of at least 0, the user's seed first. NumPy takes zeros at the end for
            nothing: (1, 0) is (1,), so one use keeps to one length.
    """
    return np.random.SeedSequence(key)


def named_stream(purpose: str, seed: int) -> np.random.SeedSequence:
    """The same by a name: two parts with one seed do not draw the same numbers.

    Args:
        purpose: What the numbers are for (``"noise"``); equal seeds with other purposes are
            independent.
        seed: The user's seed, at least 0.

    Raises:
        ValueError: ``seed`` is negative.
    """
    if seed < 0:
        raise ValueError(
            f"Expected an integer of at least 0 of argument `seed`, but got {seed}. Try: 0."
        )
    return stream(seed, zlib.crc32(purpose.encode()))


def keyed_generator(*key: int) -> np.random.Generator:
    """NumPy's generator of a :func:`stream`."""
    return np.random.default_rng(stream(*key))


def generator(purpose: str, seed: int) -> np.random.Generator:
    """NumPy's generator of a :func:`named_stream`."""
    return np.random.default_rng(named_stream(purpose, seed))
