"""Bootstrapping by how far each label is trusted, with Mixup: M-DYR-H and M-DYR-S.

Shape letters: n rows of a batch, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses.gather import global_mean
from supcon_ext.objectives.base import (
    StepBatch,
    Term,
    TermResult,
    TrainingFacts,
    term,
    view_problems,
)
from supcon_ext.objectives.passes import Pass, mixed_pass
from supcon_ext.objectives.stage_selector import Problems, without_selector

EDGE = 1e-4


@term("dynamic_bootstrap")
class DynamicBootstrap(Term):
    """Cross-entropy of mixed images against labels and predictions (Arazo et al. 2019, M-DYR).

    The target of an image is (1 - w) of its given label and w of the network's own prediction on
    it, before mixing and in the same step, through which no gradient flows. w is how little the
    label is trusted by the stage's selector: ``contrastive: {selector: {kind: bmm, soft: true}}``
    trusts it by the posterior of the mixture of Beta densities, as the paper does. Mixup mixes the
    targets as it does the images. With 1 - 1e-4 the label is trusted at most, and at least 1e-4.

    To it is added KL(uniform || p), of the mean prediction p of the batch on mixed images, which
    keeps the network from taking all images for one class.

    The authors' code takes w from each step's loss, under the mixture fitted at the last epoch's
    end; here it is that of the epoch's start, as all that a selector says. For CIFAR-100 the code
    of M-DYR-S compares p with 1/10 in place of 1/C; here it is 1/C.

    Args:
        prediction: What an image's own prediction counts as: its largest class (``hard``, M-DYR-H)
            or its probabilities (``soft``, M-DYR-S).
        mixup: Alpha of Mixup (Zhang et al. 2018).
        regularisation: Factor of the divergence; 0 for none.
    """

    trains_classifier = True

    def __init__(
        self,
        prediction: Literal["hard", "soft"] = "hard",
        mixup: Annotated[float, Field(gt=0)] = 32.0,
        regularisation: Annotated[float, Field(ge=0)] = 1.0,
    ) -> None:
        super().__init__()
        self.prediction = prediction
        self.mixup = mixup
        self.regularisation = regularisation

    @staticmethod
    def problems(
        params: Mapping[str, Any], stage: Mapping[str, Any], recipe: Mapping[str, Any]
    ) -> Problems:
        """What is wrong between this term and its stage."""
        advice = "contrastive: {selector: {kind: bmm, soft: true}}"
        return [*view_problems(params, stage), *without_selector(stage, advice)]

    @property
    def passes(self) -> tuple[Pass, ...]:
        """Mixed inputs, and plain ones for what is predicted."""
        return Pass(), mixed_pass(self.mixup)

    def setup(self, facts: TrainingFacts) -> None:
        """See that somebody says how far labels are trusted.

        Raises:
            ValueError: The stage has no selector.
        """
        if facts.selector is None:
            raise ValueError(
                "Expected a term with a selector in the stage of `dynamic_bootstrap`, but got "
                "none. Try: - contrastive: {selector: {kind: bmm, soft: true}}"
            )

    def forward(self, batch: StepBatch) -> TermResult:
        """The mean over views and samples of known label; logs what the predictions weigh."""
        rows = batch.rows(self.views)
        plain = batch.outputs().logits[rows.place].detach().float()
        mix, outputs = batch.mixed(self.mixup, 0.0)
        logarithm = outputs.logits[rows.place].float().log_softmax(-1)
        doubt = (1 - rows.trust).clamp(EDGE, 1 - EDGE)
        target = self._targets(plain, rows.label, doubt)
        partner, share = rows.partners(mix)
        known = rows.label >= 0
        share = torch.where(known[partner], share, 1.0)  # of an unknown label nothing is learnt
        mine, theirs = -(target * logarithm).sum(-1), -(target[partner] * logarithm).sum(-1)
        losses = share * mine + (1 - share) * theirs
        weight = known.to(losses.dtype)
        loss, _ = global_mean(losses, weight)
        if self.regularisation:
            loss = loss + self.regularisation * from_uniform(logarithm.exp())
        bootstrapped, _ = global_mean(doubt, weight)
        return TermResult(loss, {"bootstrapped": bootstrapped})

    def _targets(self, plain: Tensor, label: Tensor, doubt: Tensor) -> Tensor:
        """``(n, C)``; of an unknown label they mean nothing."""
        classes = plain.shape[-1]
        given = functional.one_hot(label.clamp(min=0), classes).to(plain.dtype)
        own = plain.softmax(-1)
        if self.prediction == "hard":
            own = functional.one_hot(plain.argmax(-1), classes).to(plain.dtype)
        return (1 - doubt)[:, None] * given + doubt[:, None] * own


def from_uniform(probability: Tensor) -> Tensor:
    """KL(uniform || mean prediction) of all processes' rows.

    Args:
        probability: ``(n, C)`` of this process, with gradient.
    """
    mean, _ = global_mean(probability, torch.ones_like(probability[:, 0]))
    classes = probability.shape[1]
    return -(classes * mean).log().sum() / classes
