"""DSCL: the own other view counts apart from the positives of the same class."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from supcon_ext.losses.rows import Rows, Source, WeightPlan
from supcon_ext.weightings.base import Weighting, WeightingStep, weighting


@weighting("dscl")
class DSCL(Weighting):
    """The own other view weighs 1, each other positive ``beta / (|P| - 1)`` (Xuan & Zhang 2024).

    In SupCon the own view counts less the larger the class is; here head and tail have it alike.
    |P| - 1 counts the trusted contrasts of the anchor's class that are not its own sample's views
    of this step: an older key of the own sample in a queue is one of them. Several own views share
    the 1.

    Args:
        beta: Weight of all other positives together, beside 1 of the own view; the authors' results
            are with 8.
    """

    def __init__(self, beta: Annotated[float, Field(gt=0)] = 1.0) -> None:
        super().__init__()
        self.beta = beta

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        """Factor of the own views' targets: targets are normalised, so the ratio is all it takes.

        An anchor without other positives is left with its own views whatever the factor.
        """
        counts = self.counts(contrasts)
        if counts is None:
            return WeightPlan()
        view = (contrasts.index >= 0) & (contrasts.source != int(Source.PROTOTYPE))
        view &= contrasts.source != int(Source.QUEUE)
        own = _copies(anchors, contrasts.index[view])
        trusted = view & (contrasts.trust > 0.5)
        own_trusted = _copies(anchors, contrasts.index[trusted])
        known = anchors.label >= 0
        others = (counts[anchors.label.clamp(min=0)] - own_trusted) * known
        factor = others / (self.beta * (own - 1).clamp(min=1))
        return WeightPlan(target_own=factor.clamp(min=1e-3).to(anchors.z.dtype))


def _copies(anchors: Rows, index: Tensor) -> Tensor:
    """``(A,)`` how often each anchor's sample occurs, without an A x K object."""
    ordered = index.sort().values
    after = torch.searchsorted(ordered, anchors.index, right=True)
    return after - torch.searchsorted(ordered, anchors.index)
