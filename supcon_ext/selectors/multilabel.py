"""Positives of samples that have several labels each.

The labels are the column ``labels`` of the views, ``(N, C)`` of 0 and 1; ``SupConLoss()(features,
labels)`` makes it of two-dimensional labels.
"""

from torch import Tensor

from supcon_ext.losses.rows import PairTile, Rows
from supcon_ext.selectors.base import PositiveSelector, selector


def shared_labels(pairs: PairTile) -> Tensor:
    """``(A, K)`` number of labels that both have."""
    return labels_of(pairs.anchors) @ labels_of(pairs.contrasts).T


def labels_of(rows: Rows) -> Tensor:
    """``(N, C)``; rows whose labels are not known, NaN, have none."""
    return rows.column("labels").nan_to_num(nan=0.0)


@selector("jaccard")
class Jaccard(PositiveSelector):
    """A contrast is a positive by the share of labels it has in common, |A and B| / |A or B|."""

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)`` in [0, 1]; the views of one sample are whole positives."""
        shared = shared_labels(pairs)
        anchors = labels_of(pairs.anchors).sum(1)
        either = anchors[:, None] + labels_of(pairs.contrasts).sum(1)[None, :] - shared
        share = shared / either.clamp(min=1)
        return share.masked_fill(pairs.same("index"), 1.0)


@selector("overlap")
class Overlap(PositiveSelector):
    """A contrast that has any label in common is a positive."""

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)`` bool; the views of one sample always are."""
        return (shared_labels(pairs) > 0) | pairs.same("index")
