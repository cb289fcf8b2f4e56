"""Whom the neighbours believe: two rounds of votes, and as many samples of each class.

Letters: N samples, C classes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from supcon_ext.selectors.flips import flipped
from supcon_ext.selectors.neighbours import NeighbourGraph

logger = logging.getLogger(__name__)

Interpolation = Literal["linear", "lower"]
LEAST, MOST = 0.01, 0.99


@dataclass(frozen=True, slots=True)
class Agreement:
    """What two rounds of votes say.

    Attributes:
        vote: ``(N, C)`` float32, the second round's shares.
        counted: ``(N, C)`` float32, those of votes that are not weighed; the same, where none is.
        corrected: ``(N,)`` int64 label with most votes in the second round.
        loss: ``(N,)`` float32, -log of the given label's share, clipped to [0.01, 0.99].
        agrees: ``(N,)`` bool, the given label has most votes.
    """

    vote: Tensor
    counted: Tensor
    corrected: Tensor
    loss: Tensor
    agrees: Tensor


def two_round_agreement(
    graph: NeighbourGraph,
    label: Tensor,
    classes: int,
    *,
    balanced: bool = False,
    per_class: float | None = None,
) -> Agreement:
    """Let the neighbours vote with given labels, then with the labels which that vote gave them.

    Sel-CL (Li et al. 2022, eq. 1 and 2); uniform votes. Of classes with equal votes the lowest
    wins.

    Args:
        graph: Nearest neighbours.
        label: ``(N,)`` int64 given labels.
        classes: Number of classes C.
        balanced: Weigh each vote by one over the number of samples with the label it is for, so
            that a rare class is not outvoted by its size alone; but count it as it is on a label
            which many images of another class carry, by such votes (:func:`flips.flipped`).
        per_class: At most this many times the size of a sample's class vote on it, the nearest
            first, in place of all K; None for all.
    """

    def cast(voters: Tensor, balanced: bool) -> Tensor:
        size = torch.bincount(voters[voters >= 0], minlength=classes)
        weight = 1 / size.clamp(min=1).float() if balanced else None
        return graph.vote(voters, classes, weight, reach)

    def two_rounds(balanced: bool) -> Tensor:
        return cast(cast(label, balanced).argmax(1), balanced)

    reach = None
    if per_class is not None:
        size = torch.bincount(label[label >= 0], minlength=classes)
        reach = (per_class * size[label.clamp(min=0)]).ceil().long()
    vote = counted = two_rounds(balanced=False)
    if balanced:
        flip = flipped(label, counted.argmax(1), classes)
        vote = torch.where(flip[:, None], counted, two_rounds(balanced=True))
    given = vote.gather(1, label[:, None])[:, 0]
    corrected = vote.argmax(1)
    return Agreement(vote, counted, corrected, -given.clamp(LEAST, MOST).log(), corrected == label)


def agreeing_per_class(
    loss: Tensor, label: Tensor, classes: int, agrees: Tensor, fraction: float | None
) -> Tensor:
    """Keep of each class as many as agree, or the same share of each; those of small loss first.

    Where rare classes matter an equal number throws away most of a frequent class and keeps all of
    a rare one, noise included; this does not.

    Args:
        loss: ``(N,)`` float.
        label: ``(N,)`` int64.
        classes: Number of classes.
        agrees: ``(N,)`` bool.
        fraction: Quantile over classes of the share that agrees, which each class then keeps; None
            keeps the number that agrees in each.

    Returns:
        ``(N,)`` bool. Ties go to the smaller index.
    """
    size = torch.bincount(label, minlength=classes)
    agreeing = torch.bincount(label[agrees], minlength=classes)
    number = agreeing
    if fraction is not None:
        share = (agreeing.double() / size.clamp(min=1))[size > 0]
        number = (torch.quantile(share, fraction) * size + 1e-9).floor().long()  # 0.7 * 10 is 7
    kept = torch.zeros(len(label), dtype=torch.bool, device=label.device)
    for class_ in range(classes):
        members = (label == class_).nonzero()[:, 0]
        order = loss[members].argsort(stable=True)
        kept[members[order[: int(number[class_])]]] = True
    return kept


def equal_number_per_class(
    loss: Tensor,
    label: Tensor,
    classes: int,
    agrees: Tensor,
    fraction: float,
    interpolation: Interpolation = "linear",
) -> Tensor:
    """Keep the same number of samples of each class, those of small loss first.

    The number is the ``fraction``-quantile over classes of how many agree (Li et al. 2022, section
    3.2; rounded down, at least 1). Classes without samples do not count. Ties go to the smaller
    index.

    Args:
        loss: ``(N,)`` float.
        label: ``(N,)`` int64.
        classes: Number of classes.
        agrees: ``(N,)`` bool.
        fraction: In [0, 1].
        interpolation: What a quantile between the numbers of two classes is: drawn linearly, or the
            lower of them.

    Returns:
        ``(N,)`` bool.
    """
    size = torch.bincount(label, minlength=classes)
    agreeing = torch.bincount(label[agrees], minlength=classes)[size > 0]
    number = int(torch.quantile(agreeing.double(), fraction, interpolation=interpolation))
    if number < 1:
        logger.warning("hardly any sample agrees with its neighbours: keeping one of each class")
        number = 1
    kept = torch.zeros(len(label), dtype=torch.bool, device=label.device)
    for class_ in range(classes):
        members = (label == class_).nonzero()[:, 0]
        order = loss[members].argsort(stable=True)
        kept[members[order[:number]]] = True
    return kept
