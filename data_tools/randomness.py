"""Named random generators: two parts with one seed do not draw the same numbers."""

from __future__ import annotations

import zlib

import numpy as np


def generator(purpose: str, seed: int) -> np.random.Generator:
    """A generator for one purpose.

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
    return np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(purpose.encode())]))
