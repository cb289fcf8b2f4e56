"""Hold out part of a training set, the same share of every class."""

from __future__ import annotations

import numpy as np

from data_tools.arguments import check_between
from data_tools.randomness import generator
from data_tools.samples import IntArray


def stratified_holdout(
    label: IntArray, *, share: float | None = None, count: int | None = None, seed: int = 0
) -> tuple[IntArray, IntArray]:
    """Split positions into those kept for training and those held out.

    Classes are those of the labels given, which may be wrong. The number held out is exact: each
    class gives its share rounded down, and the largest remainders give one more. Every class keeps
    at least one sample for training.

    Args:
        label: ``(N,)`` int64 given labels, at least 0.
        share: Share held out, in [0, 1); give this or ``count``.
        count: Number held out.
        seed: Seed of the draw.

    Returns:
        Kept positions and held-out positions, both int64, sorted and disjoint; together all N.

    Raises:
        ValueError: Both or none of ``share`` and ``count`` are given, or more is asked for than can
            be held out while each class keeps one sample.
    """
    if (share is None) == (count is None):
        raise ValueError(
            f"Expected one of the arguments `share` and `count`, but got {share} and {count}. "
            "Try: share=0.1."
        )
    sizes = np.bincount(label)
    room = np.maximum(sizes - 1, 0)
    if share is not None:
        check_between("share", share, 0, 1, "0.1")
        wanted = round(share * len(label))
    else:
        wanted = int(count or 0)
    if not 0 <= wanted <= int(room.sum()):
        raise ValueError(
            f"Expected at most {int(room.sum())} samples to hold out (each class keeps one), "
            f"but got {wanted}. Try: a smaller share."
        )
    take = _apportion(sizes, room, wanted)
    random = generator("holdout", seed)
    held = [
        random.permutation(np.flatnonzero(label == class_))[: take[class_]]
        for class_ in np.flatnonzero(take)
    ]
    held_out = np.sort(np.concatenate(held)) if held else np.empty(0, dtype=np.int64)
    kept = np.setdiff1d(np.arange(len(label)), held_out)
    return kept.astype(np.int64), held_out.astype(np.int64)


def _apportion(sizes: IntArray, room: IntArray, wanted: int) -> IntArray:
    """How many each class gives: its share, by largest remainder, never more than its room."""
    ideal = sizes * (wanted / max(int(sizes.sum()), 1))
    take: IntArray = np.minimum(np.floor(ideal + 1e-9).astype(np.int64), room)
    while (left := wanted - int(take.sum())) > 0:
        remainder = np.where(take < room, ideal - take, -np.inf)
        take[np.argsort(-remainder, kind="stable")[: min(left, int((take < room).sum()))]] += 1
    return take
