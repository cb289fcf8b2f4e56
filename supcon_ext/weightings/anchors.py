"""Anchor weights that follow from the size of an anchor's class."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from supcon_ext.losses.rows import Rows, WeightPlan
from supcon_ext.weightings.base import Weighting, WeightingStep


class ClassAnchors(Weighting):
    """Anchors weigh by their class: ``u_i = w_{y_i}``, with weights whose sum is C.

    Counts are those of the training samples that are trusted at the moment (all of them until
    something selects); a class without any counts as one. Anchors of unknown label weigh 1.
    """

    @abstractmethod
    def class_weights(self, size_C: Tensor) -> Tensor:
        """``(C,)`` positive weights of any sum.

        Args:
            size_C: ``(C,)`` float64 counts of at least 1.
        """

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        """Weights of the anchors alone."""
        size = self.sizes(step, contrasts)
        if size is None:
            return WeightPlan()
        weight = self.class_weights(size.to(anchors.z.device))
        weight = weight * len(weight) / weight.sum()
        known = anchors.label >= 0
        mine = weight[anchors.label.clamp(min=0)]
        return WeightPlan(anchor=torch.where(known, mine, 1.0).to(anchors.z.dtype))
