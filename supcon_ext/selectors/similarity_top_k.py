"""Positives among the nearest neighbours that share the label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from supcon_ext.losses.rows import PairTile
from supcon_ext.selectors.base import PositiveSelector, SampleBank, Selection, selector

CHUNK_ELEMENTS = 1 << 25


def mutual_only(index_NK: Tensor) -> Tensor:
    """Neighbour lists without those that do not list the sample in turn, which become -1.

    Args:
        index_NK: ``(N, K)`` int64.

    Returns:
        ``(N, K)`` int64; as a relation it is symmetric.
    """
    count, neighbours = index_NK.shape
    step = max(1, CHUNK_ELEMENTS // max(1, neighbours * neighbours))
    kept = index_NK.clone()
    for start in range(0, count, step):
        rows = index_NK[start : start + step]
        own = torch.arange(start, start + len(rows), device=index_NK.device)
        returned = (index_NK[rows] == own[:, None, None]).any(2)
        kept[start : start + step] = rows.masked_fill(~returned, -1)
    return kept


def listed(list_AK: Tensor, index: Tensor) -> Tensor:
    """Which samples each row lists.

    Args:
        list_AK: ``(A, k)`` int64 samples; -1 is none.
        index: ``(K,)`` int64 samples, which may repeat; -1 is never listed.

    Returns:
        ``(A, K)`` bool. Nothing larger is made on the way.
    """
    known, place = torch.unique(index, return_inverse=True)
    found = torch.searchsorted(known, list_AK).clamp(max=len(known) - 1)
    right = (known[found] == list_AK) & (list_AK >= 0)
    hit = torch.zeros(len(list_AK), len(known) + 1, dtype=torch.bool, device=index.device)
    hit.scatter_(1, found.masked_fill(~right, len(known)), True)
    return hit[:, place]


@selector("similarity_top_k")
class SimilarityTopK(PositiveSelector):
    """Positives share the label and are among the nearest neighbours at the last refresh.

    Neighbours are searched among all samples, so a sample with a wrong label, far from the others
    that have it, is left with its own views. A contrast counts where the anchor lists it (not the
    other way round, unless ``mutual``). Every sample stays trusted. Until the first refresh every
    pair with the same label is positive. A row that is no sample (a prototype) is a positive of all
    that have its label.

    Args:
        neighbours: How many of the nearest each sample lists.
        mutual: Whether both must list each other.
    """

    requires = frozenset({"z"})

    def __init__(self, neighbours: Annotated[int, Field(ge=1)] = 50, mutual: bool = False) -> None:
        self.neighbours = neighbours
        self.mutual = mutual
        self.lists: Tensor | None = None

    def refresh(self, bank: SampleBank, epoch: int) -> Selection | None:
        """List the neighbours; says nothing of whom to believe."""
        index = bank.neighbours(self.neighbours).index
        self.lists = mutual_only(index) if self.mutual else index.clone()
        return None

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)`` bool."""
        same, own = pairs.same("label"), pairs.same("index")
        if self.lists is None:
            return same | own
        anchor, contrast = pairs.anchors.index, pairs.contrasts.index
        if self.lists.device != anchor.device:
            self.lists = self.lists.to(anchor.device)
        no_sample = (anchor < 0)[:, None] | (contrast < 0)[None, :]
        near = listed(self.lists[anchor.clamp(0, len(self.lists) - 1)], contrast)
        return (same & (near | no_sample)) | own

    def state_dict(self) -> dict[str, Any]:
        """The lists."""
        return {"lists": self.lists}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""
        self.lists = state["lists"]
