"""RCL: frequent classes weigh more in the denominator, as the logit-adjusted loss has it."""

from __future__ import annotations

import torch
from torch import Tensor

from supcon_ext.losses.pairs import Views, WeightPlan
from supcon_ext.training_facts import TrainingFacts
from supcon_ext.weighting.base import Weighting, WeightingStep, weighting


@weighting("rcl")
class RCL(Weighting):
    """A contrast weighs the size of its class: ``w_ia = n_{y_a}`` (Suh & Seo 2023, prior part).

    The sign is opposite to BCL's: BCL divides a class by its count, this multiplies, so that
    embeddings of rare classes are not pressed together. Counts are those of trusted training
    samples, relative to their mean; a class without any counts as one sample. Contrasts of unknown
    label weigh 1. The paper's feature scaling is not part of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.size_C: Tensor | None = None

    def setup(self, facts: TrainingFacts) -> None:
        """Take the given counts, until a step brings the trusted ones."""
        super().setup(facts)
        self.size_C = facts.counts

    def begin(self, step: WeightingStep) -> None:
        """Take the counts of the samples that are trusted now."""
        self.size_C = step.counts

    def plan(self, anchors: Views, contrasts: Views, counts: Tensor | None) -> WeightPlan:
        """Log weights of the contrasts."""
        size = counts if self.size_C is None else self.size_C
        if size is None:
            return WeightPlan()
        share = size.to(contrasts.z.device).clamp(min=1).double()
        share = share / share.mean()
        known = contrasts.label >= 0
        log = torch.where(known, share[contrasts.label.clamp(min=0)], 1.0).log()
        return WeightPlan(log_column=log.to(contrasts.z.dtype))
