"""The nearest neighbours of every training sample: one graph, computed once for all that ask.

Exact, in chunks, on whatever device the features are; no N x N object is ever held.

Letters: N samples, D embedding size, K neighbours, C classes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

logger = logging.getLogger(__name__)

CHUNK_ELEMENTS = 1 << 25  # similarities held at a time: 128 MB


@dataclass(frozen=True, slots=True)
class NeighbourGraph:
    """The K nearest neighbours of each sample, itself excluded.

    Attributes:
        index: ``(N, K)`` int64, the most similar first.
        similarity: ``(N, K)`` float32 cosine.
    """

    index: Tensor
    similarity: Tensor

    def vote(
        self,
        label: Tensor,
        classes: int,
        weight_C: Tensor | None = None,
        neighbours_N: Tensor | None = None,
    ) -> Tensor:
        """``(N, C)`` float32 share of each class among the neighbours (Li et al. 2022, eq. 1).

        Args:
            label: ``(N,)`` int64 in ``[0, C)``; -1 does not vote.
            classes: Number of classes C.
            weight_C: ``(C,)`` >= 0, how much a vote for a class counts; None is 1. The shares of a
                row then sum to 1.
            neighbours_N: ``(N,)`` int64, how many of the K nearest vote on each sample; None: all.
        """
        count, neighbours = self.index.shape
        cast = label[self.index]
        ballots = torch.ones(cast.shape, device=cast.device)
        voting = torch.full((count, 1), float(neighbours), device=cast.device)
        if neighbours_N is not None:
            voting = neighbours_N.clamp(1, neighbours)[:, None].float()
            ballots *= torch.arange(neighbours, device=cast.device)[None, :] < voting
        votes = torch.zeros(count, classes + 1, device=cast.device)
        votes.scatter_add_(1, torch.where(cast < 0, classes, cast), ballots)
        votes = votes[:, :classes]
        if weight_C is None:
            return votes / voting
        votes = votes * weight_C.to(votes)
        return votes / votes.sum(1, keepdim=True).clamp(min=1e-12)


def nearest_neighbours(z: Tensor, neighbours: int) -> NeighbourGraph:
    """Find the nearest neighbours by cosine similarity.

    Args:
        z: ``(N, D)`` float; rows are normalised here.
        neighbours: K; more than N - 1 is brought down to it, with a warning.

    Raises:
        ValueError: Fewer than two samples, or K below 1.
    """
    count = len(z)
    if count < 2 or neighbours < 1:
        raise ValueError(
            f"Expected at least 2 samples and 1 neighbour, but got {count} and {neighbours}"
        )
    if neighbours > count - 1:
        logger.warning("%d neighbours of %d samples: taking %d", neighbours, count, count - 1)
        neighbours = count - 1
    rows = functional.normalize(z.float(), dim=1)
    chunk = max(1, CHUNK_ELEMENTS // count)
    index = torch.empty(count, neighbours, dtype=torch.int64, device=z.device)
    similarity = torch.empty(count, neighbours, device=z.device)
    buffer = rows.new_empty(min(chunk, count), count)
    for start in range(0, count, chunk):
        stop = min(start + chunk, count)
        cosine = buffer[: stop - start]
        torch.mm(rows[start:stop], rows.T, out=cosine)
        own = torch.arange(start, stop, device=z.device)
        cosine[own - start, own] = -torch.inf
        found = cosine.topk(neighbours, dim=1)
        similarity[start:stop], index[start:stop] = found.values, found.indices
    return NeighbourGraph(index, similarity)


def neighbours_among(query: Tensor, reference: Tensor, neighbours: int) -> NeighbourGraph:
    """Find the nearest of other samples by cosine similarity.

    Args:
        query: ``(Q, D)`` float; rows are normalised here.
        reference: ``(N, D)`` float, likewise.
        neighbours: K, from 1 to N.

    Returns:
        ``(Q, K)``, whose indices are rows of ``reference``.
    """
    rows = functional.normalize(reference.float(), dim=1)
    chunk = max(1, CHUNK_ELEMENTS // len(rows))
    found = [
        (functional.normalize(part.float(), dim=1) @ rows.T).topk(neighbours, dim=1)
        for part in torch.split(query, chunk)
    ]
    return NeighbourGraph(
        torch.cat([part.indices for part in found]), torch.cat([part.values for part in found])
    )
