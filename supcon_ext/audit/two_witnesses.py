"""The verdict on each given label of its neighbours and a linear head together.

Letters: N samples, F features, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from supcon_ext.audit.suspicion import Verdict, nearest_disagreeing, suspect
from supcon_ext.selectors.neighbours import NeighbourGraph
from supcon_ext.selectors.two_witnesses import hear

LEAST = 1e-9
"""No label is surer than this, nor less sure."""


def judge(
    graph: NeighbourGraph,
    features: Tensor,
    label: Tensor,
    classes: int,
    voters: int | None = None,
) -> Verdict:
    """What both witnesses say, see :func:`~supcon_ext.selectors.two_witnesses.hear`.

    Where fewer than two classes have samples the neighbours are heard alone.

    Args:
        graph: Nearest neighbours, all of them among those that vote; themselves excluded.
        features: ``(N, F)`` of the encoder.
        label: ``(N,)`` int64 given labels.
        classes: C.
        voters: The first V samples have a say; the others, those of a test split, are judged and
            have none. None: all have.
    """
    if int((label[:voters].bincount() > 0).sum()) < 2:
        return suspect(graph, label, classes)
    heard = hear(graph, features, label, classes, voters)
    suggested = torch.where(heard.flagged, heard.p.argmax(1), label)
    confidence = heard.p.gather(1, suggested[:, None])[:, 0]
    return Verdict(
        suspicion=(1 - heard.own).clamp(LEAST, 1 - LEAST),
        suggested=suggested,
        confidence=confidence.clamp(LEAST, 1 - LEAST),
        flagged=heard.flagged,
        disagreeing=nearest_disagreeing(graph, label),
    )
