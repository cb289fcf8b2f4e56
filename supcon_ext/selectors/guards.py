"""What keeps a selection from going wrong: every class keeps some samples, nothing is NaN.

Each guard has a fallback and a warning; none is an error, since a run should not die of one epoch's
selection.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import torch
from torch import Tensor

from supcon_ext.selectors.base import Role, Selection

logger = logging.getLogger(__name__)


def guarded(selection: Selection, classes: int, min_per_class: int) -> Selection:
    """The selection, widened where it keeps too little.

    * A score or trust that is not finite: everything is trusted, and in use.
    * Nothing in use is trusted at all: everything in use is; if all is dropped, all is in use.
    * A class keeps fewer than ``min_per_class``: those of the largest score are trusted too (ties
      go to the smaller index), as many as the class has in use.
    * Rows of a posterior that are not finite: 0, unknown.

    A sample is in use unless its role is dropped. Who is trusted by a guard becomes labelled.

    Args:
        selection: As the selector made it.
        classes: Number of classes.
        min_per_class: At least 0.

    Returns:
        The selection with ``stats["widened"]``: how many samples the guards added.
    """
    selection = _with_known_posterior(selection)
    trust, label = selection.trust, selection.label
    in_use = selection.role != int(Role.DROPPED)
    trusted = (trust > 0.5) & in_use
    finite = bool(trust.isfinite().all()) and bool(selection.ranking.isfinite().all())
    if not finite or not bool(trusted.any()):
        reason = "no sample" if finite else "trust or scores that are not finite"
        logger.warning("the selection has %s: trusting every sample", reason)
        every = torch.ones_like(in_use)
        added = in_use if finite and bool(in_use.any()) else every
        ones = torch.ones_like(trust)
        return _widened(replace(selection, trust=ones, score=ones), added, float((~trusted).sum()))
    added = torch.zeros_like(trusted)
    for class_ in range(classes):
        members = ((label == class_) & in_use).nonzero()[:, 0]
        missing = min(min_per_class, len(members)) - int(trusted[members].sum())
        if missing > 0:
            left = members[~trusted[members]]
            order = selection.ranking[left].argsort(descending=True, stable=True)
            added[left[order[:missing]]] = True
    number = float(added.sum())
    if number:
        logger.warning(
            "%d samples are trusted so that each class keeps %d", int(number), min_per_class
        )
    made = replace(selection, trust=trust.masked_fill(added, 1.0))
    return _widened(made, added, number)


def _widened(selection: Selection, added: Tensor, number: float) -> Selection:
    role = selection.role.masked_fill(added, int(Role.LABELLED))
    return replace(selection, role=role, stats={**selection.stats, "widened": number})


def _with_known_posterior(selection: Selection) -> Selection:
    if selection.posterior is None:
        return selection
    unknown = ~selection.posterior.isfinite().all(1)
    if not bool(unknown.any()):
        return selection
    logger.warning("%d rows of the posterior are not finite: taken as unknown", int(unknown.sum()))
    return replace(selection, posterior=selection.posterior.masked_fill(unknown[:, None], 0.0))
