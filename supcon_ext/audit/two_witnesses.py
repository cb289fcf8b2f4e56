"""The verdict on each given label of its neighbours and a linear head together.

Letters: N samples, F features, C classes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from supcon_ext.audit.suspicion import Verdict, nearest_disagreeing, suspect
from supcon_ext.selectors.neighbours import NeighbourGraph
from supcon_ext.selectors.rule import rule_in
from supcon_ext.selectors.transition import estimate_transition
from supcon_ext.selectors.two_witnesses import hear, hear_rule

LEAST = 1e-9
"""No label is surer than this, nor less sure."""


def judge(
    graph: NeighbourGraph,
    features: Tensor,
    label: Tensor,
    classes: int,
    voters: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Verdict:
    """What both witnesses say of each label.

    See :func:`~supcon_ext.selectors.two_witnesses.hear`, and where wrong labels have a rule
    (:func:`~supcon_ext.selectors.rule.rule_in`)
    :func:`~supcon_ext.selectors.two_witnesses.hear_rule`. Where fewer than two classes have samples
    the neighbours are heard alone.

    Args:
        graph: Nearest neighbours, all of them among those that vote; themselves excluded.
        features: ``(N, F)`` of the encoder.
        label: ``(N,)`` int64 given labels.
        classes: C.
        voters: The first V samples have a say; the others, those of a test split, are judged and
            have none. None: all have.
        progress: Told how much is done, of how much, while the rule is looked for.
    """
    if int((label[:voters].bincount() > 0).sum()) < 2:
        return suspect(graph, label, classes)
    count = len(label) if voters is None else voters
    features = features.cpu()
    made = estimate_transition(features, label, classes, count, progress=progress)
    rule, _ = rule_in(made, label, count)
    heard = hear(graph, features, label, classes, count)
    if rule is not None:
        heard = hear_rule(heard, made.p, rule, label, count)
    p, own, flagged = heard.p, heard.own, heard.flagged
    suggested = torch.where(flagged, p.argmax(1), label)
    confidence = p.gather(1, suggested[:, None])[:, 0]
    return Verdict(
        suspicion=(1 - own).clamp(LEAST, 1 - LEAST),
        suggested=suggested,
        confidence=confidence.clamp(LEAST, 1 - LEAST),
        flagged=flagged,
        disagreeing=nearest_disagreeing(graph, label),
        transition=rule,
    )
