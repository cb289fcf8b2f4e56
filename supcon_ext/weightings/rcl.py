"""RCL: frequent classes weigh more in the denominator, as the logit-adjusted loss has it."""

from __future__ import annotations

import torch

from supcon_ext.losses.rows import Rows, WeightPlan
from supcon_ext.weightings.base import Weighting, WeightingStep, weighting


@weighting("rcl")
class RCL(Weighting):
    """A contrast weighs the size of its class: ``w_ia = n_{y_a}`` (De Alvis et al. 2023, RCL).

    The sign is opposite to BCL's: BCL divides a class by its count, this multiplies, so that
    embeddings of rare classes are not pressed together. Counts are those of trusted training
    samples, relative to their mean; a class without any counts as one sample. Contrasts of unknown
    label weigh 1. It is the prior part of "Rebalanced contrastive learning" (De Alvis,
    Denipitiyage and Seneviratne, arXiv 2312.01753); the feature scaling is not part of it.
    """

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        """Log weights of the contrasts."""
        size = self.sizes(step, contrasts)
        if size is None:
            return WeightPlan()
        share = size.to(contrasts.z.device)
        share = share / share.mean()
        known = contrasts.label >= 0
        log = torch.where(known, share[contrasts.label.clamp(min=0)], 1.0).log()
        return WeightPlan(log_column=log.to(contrasts.z.dtype))
