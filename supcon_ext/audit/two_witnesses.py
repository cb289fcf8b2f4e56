"""The verdict on each given label of its neighbours and a linear head together.

Letters: N samples, F features, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from supcon_ext.audit.rules import rule_in
from supcon_ext.audit.suspicion import Verdict, nearest_disagreeing, suspect
from supcon_ext.selectors.calibration import likeliest_through
from supcon_ext.selectors.neighbours import NeighbourGraph
from supcon_ext.selectors.transition import estimate_transition, told
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
    """What both witnesses say of each label.

    Where wrong labels have a rule, such as one class filed under another
    (:func:`~supcon_ext.audit.rules.rule_in`), each of the two is told the label
    through that rule, and the mean of what they say then is believed: a label is flagged where
    another class is likelier. Such labels agree with each other, and only by the rule can they be
    told from right ones. Flips are judged as they are without: where most labels of a rare class
    are another's, its own images are too few to tell what they look like. Otherwise see
    :func:`~supcon_ext.selectors.two_witnesses.hear`. Where fewer than two classes have samples the
    neighbours are heard alone.

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
    count = len(label) if voters is None else voters
    features = features.cpu()
    made = estimate_transition(features, label, classes, count)
    rule, _ = rule_in(made, label, count)
    heard = hear(graph, features, label, classes, count)
    p, own, flagged = heard.p, heard.own, heard.flagged
    if rule is not None:
        said = made.p.clamp(min=LEAST).log(), heard.votes
        by_each = [told(likeliest_through(each, rule, label, count), rule, label) for each in said]
        by_rule = torch.stack(by_each).double().mean(0)
        p = torch.where(heard.flipped[:, None], p, by_rule)
        own = p.gather(1, label[:, None])[:, 0]
        alone = torch.bincount(label[:count], minlength=classes)[label] <= 1
        flagged = heard.flipped | ((p.max(1).values > own) & ~alone)
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
