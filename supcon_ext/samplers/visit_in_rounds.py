"""Dealing a class's samples out to batches, like cards, so that few come twice in one batch."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from data_tools.samples import IntArray


def visit_in_rounds(members: IntArray, batch: IntArray, generator: Generator) -> IntArray:
    """Give each visit a member: all members in random order, then all anew, and so on.

    No member comes again before all have come, but for one exception: where a batch reaches over
    the end of a round, the members that it has already come last in its share of the next round. So
    a batch that visits n of m members has n different ones if n <= m, and all m of them if n > m.
    Over all visits, members differ by at most one visit.

    Args:
        members: ``(m,)`` int64, different from each other; m > 0 unless there are no visits.
        batch: ``(v,)`` int64 batch of each visit, never falling.
        generator: Draws the order of each round.

    Returns:
        ``(v,)`` int64 members.
    """
    if len(batch) == 0:
        return np.zeros(0, dtype=np.int64)
    size = len(members)
    rounds = -(-len(batch) // size)
    dealt = generator.permuted(np.tile(members, (rounds, 1)), axis=1).reshape(-1)
    ends = np.arange(size, len(batch), size)
    for end in ends[batch[ends] == batch[ends - 1]].tolist():
        start, stop = np.searchsorted(batch, batch[end], side="left").item(), end + size
        held = dealt[max(start, end - size) : end]
        fresh = dealt[end:stop]
        left = np.searchsorted(batch, batch[end], side="right").item() - end
        first = np.flatnonzero(~np.isin(fresh, held))[:left]
        dealt[end:stop] = np.concatenate([fresh[first], np.delete(fresh, first)])
    return dealt[: len(batch)].astype(np.int64)
