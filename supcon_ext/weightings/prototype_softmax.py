"""Prototypes as the only contrasts, weighed by the class prior: balanced softmax on the sphere."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from supcon_ext.losses.rows import Rows, Source, WeightPlan
from supcon_ext.training_facts import TrainingFacts
from supcon_ext.weightings.base import Weighting, WeightingStep, weighting
from supcon_ext.weightings.prototypes import ClassPrototypes, class_prototypes


@weighting("prototype_softmax")
class PrototypeSoftmax(Weighting):
    """Contrasts are the C prototypes alone, and each weighs its class's prior.

    ``w_ic = pi_c^tau`` and the own prototype is the positive: Balanced Softmax (Ren et al. 2020)
    over cosines plus a constant, close to the prototypical variant of Hybrid-SC (Wang et al. 2021).
    Other samples are positives or negatives of none. Untrusted anchors weigh 0. Without a known
    label the anchor has no positive and is left out.

    Args:
        tau: Power of the prior; 0 leaves the prior out.
        hidden: Width of the prototypes' MLP.
    """

    def __init__(
        self,
        tau: Annotated[float, Field(ge=0)] = 1.0,
        hidden: Annotated[int, Field(ge=1)] = 512,
    ) -> None:
        super().__init__()
        self.tau = tau
        self.hidden = hidden
        self.made: ClassPrototypes | None = None

    def setup(self, facts: TrainingFacts) -> None:
        """Make the prototypes' MLP."""
        super().setup(facts)
        self.made = ClassPrototypes(facts.features, self.hidden, facts.dim, facts.classes)

    def columns(self, step: WeightingStep) -> Rows:
        """The prototypes.

        Raises:
            ValueError: There is no classifier to make prototypes of.
        """
        return class_prototypes(self.made, step, "another weighting, such as effective_number")

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        """Samples out of every denominator and no positives; prototypes by the prior."""
        stands = contrasts.source == int(Source.PROTOTYPE)
        if not bool(stands.any()):
            return WeightPlan()
        size = self.sizes(step, contrasts)
        if size is None:
            return WeightPlan()
        prior = size.to(contrasts.z.device)
        log_prior = (prior / prior.sum()).log()[contrasts.label.clamp(min=0)]
        trusted = (anchors.trust > 0.5) & (anchors.label >= 0)
        return WeightPlan(
            anchor=trusted.to(contrasts.z.dtype),
            log_column=torch.where(stands, self.tau * log_prior, -torch.inf).to(contrasts.z.dtype),
            target_column=stands.to(contrasts.z.dtype),
        )
