"""Pictures that look the same: 64 bits of each, few of which differ between near-duplicates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import scipy.sparse

from data_tools.optional_package import optional_package
from data_tools.samples import ImageArray, IntArray
from data_tools.thumbnails import visible

BITS = 4
"""Largest number of bits by which two pictures that look the same differ."""

Hash = npt.NDArray[np.bool_]
_HELD = 1 << 24  # differences held at a time


def perceptual_hashing(other_way: str) -> Callable[[ImageArray], Hash]:
    """What makes ``(64,)`` bits of the low frequencies of a grey picture, by ``imagehash``.

    Args:
        other_way: What can be done where the package is missing.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    from PIL import Image

    package = optional_package("imagehash", "near-duplicates", "supcon-ext[filters]", other_way)

    def hashed(picture: ImageArray) -> Hash:
        pixels = visible(picture)
        image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        found: Hash = np.asarray(package.phash(image).hash, dtype=bool).reshape(-1)
        return found

    return hashed


def near_pairs(hashes: Hash, bits: int = BITS) -> tuple[IntArray, IntArray]:
    """Pairs of rows that differ in at most so many bits, the lower row first.

    Args:
        hashes: ``(N, 64)``.
        bits: From 0 to 63.
    """
    signs = hashes.astype(np.float32) * 2 - 1
    length, count = signs.shape[1], len(signs)
    chunk = max(1, _HELD // max(1, count))
    found: list[IntArray] = []
    for start in range(0, count, chunk):
        differing = (length - signs[start : start + chunk] @ signs[start:].T) / 2
        near = np.argwhere(differing <= bits)
        found.append(near[near[:, 0] < near[:, 1]] + start)
    pairs = np.concatenate(found) if found else np.empty((0, 2), np.int64)
    return pairs[:, 0], pairs[:, 1]


def joined(count: int, first: IntArray, second: IntArray) -> IntArray:
    """``(N,)`` int64 number of the group that each row is in, where pairs belong together."""
    links = scipy.sparse.coo_array((np.ones(len(first)), (first, second)), (count, count))
    group: IntArray = scipy.sparse.csgraph.connected_components(links, directed=False)[1]
    return group.astype(np.int64)
