"""What keeps a selection from going wrong: every class keeps some samples, nothing is NaN.

Each guard has a fallback and a warning; none is an error, since a run should not die of one epoch's
selection.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import torch

from supcon_ext.selectors.base import Selection

logger = logging.getLogger(__name__)


def guarded(selection: Selection, classes: int, min_per_class: int) -> Selection:
    """The selection, widened where it keeps too little.

    * A score or trust that is not finite: everything is trusted.
    * Nothing is trusted at all: everything is.
    * A class keeps fewer than ``min_per_class``: those of the largest score are trusted too (ties
      go to the smaller index), as many as the class has.

    Args:
        selection: As the selector made it.
        classes: Number of classes.
        min_per_class: At least 0.

    Returns:
        The selection with ``stats["widened"]``: how many samples the guards added.
    """
    trust, label = selection.trust, selection.label
    finite = bool(trust.isfinite().all()) and bool(selection.ranking.isfinite().all())
    if not finite or not bool((trust > 0.5).any()):
        reason = "no sample" if finite else "trust or scores that are not finite"
        logger.warning("the selection has %s: trusting every sample", reason)
        added = float((~(trust > 0.5)).sum())
        stats = {**selection.stats, "widened": added}
        return replace(
            selection, trust=torch.ones_like(trust), score=torch.ones_like(trust), stats=stats
        )
    widened = trust.clone()
    for class_ in range(classes):
        members = (label == class_).nonzero()[:, 0]
        missing = min(min_per_class, len(members)) - int((trust[members] > 0.5).sum())
        if missing > 0:
            left = members[trust[members] <= 0.5]
            order = selection.ranking[left].argsort(descending=True, stable=True)
            widened[left[order[:missing]]] = 1.0
    added = float((widened > trust).sum())
    if added:
        logger.warning("%d samples are trusted so that each class keeps %d", added, min_per_class)
    return replace(selection, trust=widened, stats={**selection.stats, "widened": added})
