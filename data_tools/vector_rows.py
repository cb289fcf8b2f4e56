"""Vectors as samples: one by one for whoever asks so, and many at once for batches.

Letters: N samples, V stored views, F coordinates.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from data_tools.samples import ImageArray, IntArray, SampleSequence, Subset

Vectors = npt.NDArray[np.float32]


class VectorRows:
    """Vectors of a file, read as float32 whatever they are stored as.

    Args:
        vectors: ``(N, F)``, or ``(N, V, F)`` with V stored views; may be mapped from the disk.
    """

    def __init__(self, vectors: npt.NDArray[Any]) -> None:
        self.vectors = vectors

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, index: int) -> ImageArray:
        return np.array(self.vectors[index], dtype=np.float32)

    def gather(self, index: IntArray) -> Vectors:
        """``(n, V, F)`` of the samples at some places."""
        rows = self.vectors[index].astype(np.float32, copy=False)
        return rows[:, None] if rows.ndim == 2 else rows


def gather_vectors(samples: SampleSequence, index: IntArray) -> Vectors:
    """``(n, V, F)`` float32 of the vectors at some places, whatever holds them.

    Args:
        samples: Vectors ``(F,)`` or ``(V, F)`` by index.
        index: ``(n,)`` int64 places.
    """
    if isinstance(samples, Subset):
        return gather_vectors(samples.samples, samples.index[index])
    gather = getattr(samples, "gather", None)
    if gather is not None:
        return cast(Vectors, gather(index))
    if isinstance(samples, np.ndarray):
        return VectorRows(samples).gather(index)
    rows = np.stack([np.asarray(samples[int(place)], np.float32) for place in index])
    return rows[:, None] if rows.ndim == 2 else rows
