"""How much each given label is doubted by the nearest neighbours, and what they say instead.

Letters: N samples, K neighbours, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from supcon_ext.selectors.agreement import two_round_agreement
from supcon_ext.selectors.neighbours import NeighbourGraph
from supcon_ext.selectors.two_witnesses import PER_CLASS

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the neighbours say of N given labels.

    Attributes:
        suspicion: ``(N,)`` float64 in (0, 1): 1 - smoothed share of the neighbours that vote for
            the given label. The larger, the more likely the label is wrong.
        suggested: ``(N,)`` int64 class with most votes: the given one if no other has more, else
            the lowest of those that have most.
        confidence: ``(N,)`` float64 in (0, 1), smoothed share of the suggested class.
        flagged: ``(N,)`` bool, another class than the given one is suggested.
        disagreeing: ``(N, 5)`` int64 nearest neighbours with another given label, the nearest
            first; -1 where there are fewer.
        transition: ``(C, C)`` float32, how often each class is given each label, by the rule
            that wrong labels have; None where none was seen.
    """

    suspicion: Tensor
    suggested: Tensor
    confidence: Tensor
    flagged: Tensor
    disagreeing: Tensor
    transition: Tensor | None = None

    def order(self) -> Tensor:
        """``(N,)`` int64 the most suspicious first; ties in the order of the data set."""
        return self.suspicion.argsort(descending=True, stable=True)


def suspect(
    graph: NeighbourGraph, label: Tensor, classes: int, per_class: float = PER_CLASS
) -> Verdict:
    """Let the neighbours vote in two rounds (Li et al. 2022, eq. 1 and 2) and count the votes.

    A sample never votes on itself. On a sample of a small class only the nearest vote, at most
    ``per_class`` times the size of the class, so that a rare class is not outvoted by its size
    alone. A share of v votes out of n is smoothed to ``(v + 1) / (n + 2)`` (rule of succession):
    the fewer voters, the nearer to one half, so that a label which one neighbour contradicts is not
    as suspicious as one that a hundred contradict.

    Args:
        graph: Nearest neighbours, themselves excluded.
        label: ``(N,)`` int64 given labels.
        classes: Number of classes C.
        per_class: Above 0.
    """
    votes = two_round_agreement(graph, label, classes, per_class=per_class).vote.double()
    size = torch.bincount(label, minlength=classes)
    voters = (per_class * size[label]).ceil().clamp(1, graph.index.shape[1]).double()
    given = votes.gather(1, label[:, None])[:, 0]
    most, winner = votes.max(1)
    flagged = most > given
    return Verdict(
        suspicion=1 - _smoothed(given, voters),
        suggested=torch.where(flagged, winner, label),
        confidence=_smoothed(most, voters),
        flagged=flagged,
        disagreeing=nearest_disagreeing(graph, label),
    )


def _smoothed(share: Tensor, voters: Tensor) -> Tensor:
    """Rule of succession: one more vote for, and one more against."""
    return ((share * voters).round() + 1) / (voters + 2)


def nearest_disagreeing(graph: NeighbourGraph, label: Tensor, count: int = SHOWN) -> Tensor:
    """``(N, count)`` int64 nearest neighbours of another label, -1 where there are fewer.

    Args:
        graph: Nearest neighbours.
        label: ``(N,)`` int64.
        count: How many.
    """
    other = label[graph.index] != label[:, None]
    rank = other.cumsum(1, dtype=torch.int32)
    found = torch.full((len(label), count), -1, dtype=torch.int64)
    for number in range(count):
        hit = other & (rank == number + 1)
        place = hit.to(torch.uint8).argmax(1, keepdim=True)
        neighbour = graph.index.gather(1, place)[:, 0]
        found[:, number] = torch.where(hit.any(1), neighbour, -1)
    return found
