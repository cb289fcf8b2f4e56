"""A cap on the positives of an anchor: which ones stay, decided pair by pair in any tile.

The ablation over the number of positives (Khosla et al. 2020, table 5) leaves surplus positives out
of the denominator too. The other views of the anchor's own sample always stay and do not count, and
so do prototypes and targets: a class's own one is never drawn away (TSC, Li et al. 2022).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from supcon_ext.losses.rows import PairTile, Source

LAST = torch.iinfo(torch.int64).max


@dataclass(frozen=True, slots=True)
class Cap:
    """How many positives an anchor may have beside its sample's other views and its prototype.

    Attributes:
        size: At least 0.
        sampling: ``random``, by a hash of (seed, anchor, contrast); ``first``, samples of small
            index, all views of the last one alike (the TensorFlow code of Khosla et al.).
        seed: Of the hash.
        surplus: What positives over the cap are: ``dropped`` from the denominator too, or
            ``negative``.
        of: Which positives it counts: ``all``, or those with ``synthetic`` samples alone.
    """

    size: int
    sampling: Literal["random", "first"] = "random"
    seed: int = 0
    surplus: Literal["dropped", "negative"] = "dropped"
    of: Literal["all", "synthetic"] = "all"

    def priority(self, pairs: PairTile) -> Tensor:
        """``(A, K)`` int64 >= 0: pairs of small priority stay first."""
        if self.sampling == "first":
            return pairs.contrasts.index[None, :].expand_as(pairs.similarity_AK)
        return _hash(pairs.anchors.uid[:, None], pairs.contrasts.uid[None, :], self.seed)

    def threshold(self, tiles: Iterable[tuple[slice, PairTile, Tensor]], anchors: int) -> Tensor:
        """``(A,)`` int64 largest priority that stays, -1 where none does.

        Args:
            tiles: Rows, pairs and targets of every tile.
            anchors: Number of anchors A.
        """
        smallest: dict[int, Tensor] = {}
        result = torch.full((anchors,), -1)
        for rows, pairs, targets in tiles:
            counted = self._counted(pairs, targets)
            priority = self.priority(pairs).masked_fill(~counted, LAST)
            before = smallest.get(rows.start)
            both = priority if before is None else torch.cat([before, priority], 1)
            kept = both.topk(min(self.size, both.shape[1]), dim=1, largest=False).values
            smallest[rows.start] = kept
            result = result.to(priority.device)
            if self.size:
                known = kept.masked_fill(kept == LAST, -1)
                result[rows] = known.max(1).values
        return result

    def dropped(self, pairs: PairTile, targets: Tensor, threshold_A: Tensor) -> Tensor:
        """``(A, K)`` bool: positives that are over the cap."""
        over = self.priority(pairs) > threshold_A[:, None]
        return self._counted(pairs, targets) & over

    def _counted(self, pairs: PairTile, targets: Tensor) -> Tensor:
        """``(A, K)`` bool: positives that the cap is about."""
        source = pairs.contrasts.source
        if self.of == "synthetic":
            meant = source == int(Source.SYNTHETIC)
        else:
            meant = source != int(Source.PROTOTYPE)
        return (targets > 0) & ~pairs.same("index") & meant[None, :]


def _hash(anchor: Tensor, contrast: Tensor, seed: int) -> Tensor:
    """A number in [0, 2^63) for each pair, the same on every device (splitmix64's mixing)."""
    state = anchor * -7046029254386353131 + contrast * -4658895280553007687
    state = state + (seed * 0x9E3779B97F4A7C15) % (1 << 62)
    state = (state ^ (state >> 30)) * -4658895280553007687
    state = (state ^ (state >> 27)) * -7723592293110705685
    return (state ^ (state >> 31)) & LAST
