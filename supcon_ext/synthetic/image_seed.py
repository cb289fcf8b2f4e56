"""The seed of one synthetic sample: from what is asked for and its number, and nothing else."""

from __future__ import annotations

import hashlib

import numpy as np

from data_tools.synthetic_set import normalised_caption


def image_seed(seed: int, what: int | str, k: int) -> int:
    """A seed of 63 bits, the same in every process, whatever the order, the batch or the shard.

    Args:
        seed: Of all samples.
        what: A class by its place, or a caption, which is compared as
            :func:`~data_tools.synthetic_set.normalised_caption` has it.
        k: Which of its samples.
    """
    asked = f"class/{int(what)}" if isinstance(what, int) else f"text/{normalised_caption(what)}"
    text = f"{seed}/{k}/{asked}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "little") >> 1


def draws_of(seed: int, what: int | str, k: int) -> np.random.Generator:
    """NumPy's generator of :func:`image_seed`."""
    return np.random.default_rng(image_seed(seed, what, k))
