"""Mean and standard deviation of each coordinate, which standardise vectors."""

from __future__ import annotations

import numpy as np

from data_tools.samples import SampleSet
from data_tools.vector_rows import gather_vectors
from supcon_ext.policies.statistics import ChannelStatistics

EXACT_UP_TO = 200_000
"""Samples: of more, that many are drawn."""

BLOCK_BYTES = 64 * 2**20
LEAST = 1e-6
"""Of the largest deviation: a coordinate that varies less is left at its scale."""


def vector_statistics(
    vectors: SampleSet, limit: int = EXACT_UP_TO, *, seed: int
) -> ChannelStatistics:
    """Measure the statistics over all stored views: exactly up to ``limit`` samples.

    Args:
        vectors: The training samples.
        limit: How many of them to read at most; drawn without replacement.
        seed: Decides which.

    Returns:
        Mean and standard deviation of each coordinate; 1 for the deviation of one that is constant.

    Raises:
        ValueError: No samples.
    """
    count = min(limit, len(vectors))
    if count < 1:
        raise ValueError(f"Expected at least one vector to measure, but got {len(vectors)}")
    generator = np.random.default_rng(np.random.SeedSequence([seed]))
    places = np.sort(generator.permutation(len(vectors))[:count])
    width = vectors.spec.channels
    rows = max(1, BLOCK_BYTES // max(1, 8 * np.asarray(vectors[0]).size))
    blocks = [places[start : start + rows] for start in range(0, count, rows)]
    total, squares, seen = np.zeros(width), np.zeros(width), 0
    for block in blocks:
        flat = gather_vectors(vectors.samples, block).reshape(-1, width)
        total += flat.sum(axis=0, dtype=np.float64)
        seen += len(flat)
    mean = total / seen
    for block in blocks:
        flat = gather_vectors(vectors.samples, block).reshape(-1, width)
        squares += ((flat - mean) ** 2).sum(axis=0)
    std = np.sqrt(squares / seen)
    std[std <= LEAST * std.max(initial=0.0)] = 1.0
    return tuple(mean.tolist()), tuple(std.tolist())
