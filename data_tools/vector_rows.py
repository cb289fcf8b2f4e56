"""Vectors as samples: one by one for whoever asks so, and many at once for batches.

Letters: N samples, V stored views, F coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from data_tools.samples import ImageArray, IntArray, SampleSequence, Subset

Vectors = npt.NDArray[np.floating[Any]]


class VectorRows:
    """Vectors of a file: one by one in float32, many at once as they are stored.

    Args:
        vectors: ``(N, F)``, or ``(N, V, F)`` with V stored views; may be mapped from the disk.
    """

    def __init__(self, vectors: npt.NDArray[Any]) -> None:
        self.vectors = vectors

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, index: int) -> ImageArray:
        return np.array(self.vectors[index], dtype=np.float32)

    def gather(self, index: IntArray, view: int | None = None) -> Vectors:
        """``(n, V, F)`` of the samples at some places, in the type that they are stored in.

        Args:
            index: ``(n,)`` int64 places.
            view: Which stored view alone, counted among those that there are.
        """
        if view is None or self.vectors.ndim == 2:
            rows = self.vectors[index]
        else:
            rows = self.vectors[index, view][:, None]
        rows = rows.astype(rows.dtype.newbyteorder("="), copy=False)
        return rows[:, None] if rows.ndim == 2 else rows


def gather_vectors(samples: SampleSequence, index: IntArray, view: int | None = None) -> Vectors:
    """``(n, V, F)`` floats of the vectors at some places, whatever holds them.

    Args:
        samples: Vectors ``(F,)`` or ``(V, F)`` by index.
        index: ``(n,)`` int64 places.
        view: Which stored view alone; None for all.
    """
    if isinstance(samples, Subset):
        return gather_vectors(samples.samples, samples.index[index], view)
    gather = getattr(samples, "gather", None)
    if gather is not None:
        return cast(Vectors, gather(index, view))
    if isinstance(samples, np.ndarray):
        return VectorRows(samples).gather(index, view)
    rows = np.stack([np.asarray(samples[int(place)], np.float32) for place in index])
    if rows.ndim == 2:
        return rows[:, None]
    return rows if view is None else rows[:, view, None]


def stacked(rows: Sequence[Any], where: str) -> npt.NDArray[Any]:
    """Vectors one by one as ``(N, F)``.

    Args:
        rows: N vectors.
        where: What they are, for the message.

    Raises:
        ValueError: They differ in width.
    """
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise ValueError(
            f"Expected vectors of one width in {where}, but got {min(widths)} to {max(widths)}."
        )
    return np.asarray([np.asarray(row) for row in rows])
