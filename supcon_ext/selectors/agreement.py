"""Whom the neighbours believe: two rounds of votes, and as many samples of each class.

Letters: N samples, C classes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from supcon_ext.selectors.neighbours import NeighbourGraph

logger = logging.getLogger(__name__)

LEAST, MOST = 0.01, 0.99


@dataclass(frozen=True, slots=True)
class Agreement:
    """What two rounds of votes say.

    Attributes:
        vote: ``(N, C)`` float32, the second round's shares.
        corrected: ``(N,)`` int64 label with most votes in the second round.
        loss: ``(N,)`` float32, -log of the given label's share, clipped to [0.01, 0.99].
        agrees: ``(N,)`` bool, the given label has most votes.
    """

    vote: Tensor
    corrected: Tensor
    loss: Tensor
    agrees: Tensor


def two_round_agreement(graph: NeighbourGraph, label: Tensor, classes: int) -> Agreement:
    """Let the neighbours vote with given labels, then with the labels which that vote gave them.

    Sel-CL (Li et al. 2022, eq. 1 and 2); uniform votes. Of classes with equal votes the lowest
    wins.

    Args:
        graph: Nearest neighbours.
        label: ``(N,)`` int64 given labels.
        classes: Number of classes C.
    """
    first = graph.vote(label, classes).argmax(1)
    vote = graph.vote(first, classes)
    given = vote.gather(1, label[:, None])[:, 0]
    corrected = vote.argmax(1)
    return Agreement(vote, corrected, -given.clamp(LEAST, MOST).log(), corrected == label)


def equal_number_per_class(
    loss: Tensor, label: Tensor, classes: int, agrees: Tensor, fraction: float
) -> Tensor:
    """Keep the same number of samples of each class, those of small loss first.

    The number is the ``fraction``-quantile over classes of how many agree (Li et al. 2022, section
    3.2; linear quantile, rounded down, at least 1). Classes without samples do not count. Ties go
    to the smaller index.

    Args:
        loss: ``(N,)`` float.
        label: ``(N,)`` int64.
        classes: Number of classes.
        agrees: ``(N,)`` bool.
        fraction: In [0, 1].

    Returns:
        ``(N,)`` bool.
    """
    size = torch.bincount(label, minlength=classes)
    agreeing = torch.bincount(label[agrees], minlength=classes)[size > 0]
    number = int(torch.quantile(agreeing.double(), fraction).floor())
    if number < 1:
        logger.warning("hardly any sample agrees with its neighbours: keeping one of each class")
        number = 1
    kept = torch.zeros(len(label), dtype=torch.bool, device=label.device)
    for class_ in range(classes):
        members = (label == class_).nonzero()[:, 0]
        order = loss[members].argsort(stable=True)
        kept[members[order[:number]]] = True
    return kept
