"""RCL: frequent classes weigh more in the denominator, as the logit-adjusted loss has it."""

from __future__ import annotations

import torch

from supcon_ext.losses.pairs import Views, WeightPlan
from supcon_ext.weighting.base import Weighting, WeightingStep, weighting


@weighting("rcl")
class RCL(Weighting):
    """A contrast weighs the size of its class: ``w_ia = n_{y_a}`` (Suh & Seo 2023, prior part).

    The sign is opposite to BCL's: BCL divides a class by its count, this multiplies, so that
    embeddings of rare classes are not pressed together. Counts are those of trusted training
    samples, relative to their mean; a class without any counts as one sample. Contrasts of unknown
    label weigh 1. The paper's feature scaling is not part of it.
    """

    def plan(self, step: WeightingStep, anchors: Views, contrasts: Views) -> WeightPlan:
        """Log weights of the contrasts."""
        size = self.sizes(step, contrasts)
        if size is None:
            return WeightPlan()
        share = size.to(contrasts.z.device)
        share = share / share.mean()
        known = contrasts.label >= 0
        log = torch.where(known, share[contrasts.label.clamp(min=0)], 1.0).log()
        return WeightPlan(log_column=log.to(contrasts.z.dtype))
