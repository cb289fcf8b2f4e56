"""Prototypes as the only contrasts, weighed by the class prior: balanced softmax on the sphere."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from supcon_ext.losses.pairs import Source, Views, WeightPlan
from supcon_ext.training_facts import TrainingFacts
from supcon_ext.weighting.base import Weighting, WeightingStep, weighting
from supcon_ext.weighting.prototypes import ClassPrototypes, prototype_views


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
        self._vectors: Tensor | None = None

    def setup(self, facts: TrainingFacts) -> None:
        """Make the prototypes' MLP."""
        super().setup(facts)
        self.made = ClassPrototypes(facts.features, self.hidden, facts.dim, facts.classes)

    def begin(self, step: WeightingStep) -> None:
        """Take the classifier's weights, and the counts of the samples that are trusted now.

        Raises:
            ValueError: There is no classifier to make prototypes of.
        """
        if step.class_vectors is None:
            raise ValueError(
                "Expected a classifier to make prototypes of, but the network has none"
            )
        super().begin(step)
        self._vectors = step.class_vectors

    def columns(self, batch: Views) -> Views | None:
        """The prototypes; None before the first step."""
        if self.made is None or self._vectors is None:
            return None
        return prototype_views(self.made(self._vectors).to(batch.z.dtype), batch)

    def plan(self, anchors: Views, contrasts: Views, counts: Tensor | None) -> WeightPlan:
        """Samples out of every denominator and no positives; prototypes by the prior."""
        stands = contrasts.source == int(Source.PROTOTYPE)
        if not bool(stands.any()):
            return WeightPlan()
        size = self.sizes(counts)
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
