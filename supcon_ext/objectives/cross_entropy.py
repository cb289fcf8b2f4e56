"""Cross-entropy of the classifier against the working labels, with what the baselines use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses.gather import global_mean
from supcon_ext.objectives.base import (
    Beliefs,
    OverStage,
    StepBatch,
    Term,
    TermResult,
    TrainingFacts,
    term,
    view_problems,
)
from supcon_ext.objectives.stage_selector import Problems, without_posterior
from supcon_ext.selectors.base import SampleBank
from supcon_ext.stage_epochs import StageEpochs


@term("cross_entropy")
class CrossEntropy(Term):
    """Cross-entropy of the classifier's logits against the working labels.

    Args:
        weight: Factor of this term.
        label_smoothing: Share of the target spread evenly over all classes (Szegedy et al. 2016).
        logit_adjustment: tau of the logit-adjusted loss (Menon et al. 2021, eq. 10): tau log prior
            is added to the logits in training. 1 is Balanced Softmax (Ren et al. 2020). The prior
            is the given labels' share.
        mixup: Alpha of Mixup (Zhang et al. 2018); 0 for none.
        cutmix: Alpha of CutMix (Yun et al. 2019); 0 for none. With both, each batch draws one.
        prior: Labels that the prior of ``logit_adjustment`` counts: all ``given`` ones, or the
            working labels of ``trusted`` samples, an estimate of the clean counts. A class without
            any counts as one sample.
        bootstrap: Share of the target that the network's own prediction takes (hard bootstrapping,
            Reed et al. 2015; Sel-CL+ 0.2); 0 for none. The prediction is that of the epoch's start
            on the image without augmentation.
        bootstrap_after: Epochs of the stage before bootstrapping starts (Sel-CL+: 30 of 70).
        target: What is learned: the working ``label``, or the ``posterior`` of the stage's
            selector, such as RoLT's soft pseudo-labels; until there is one, the label.
        samples: ``all`` samples, or the ``confident`` ones, which the stage's selector trusts.
        over_stage: How that factor goes over the stage: ``constant``, ``falling`` by 1 - x^2, or
            ``rising`` by x^2 (Hybrid-SC, Wang et al. 2021).
        views: Name of the view group to classify; null for all views.
    """

    trains_classifier = True
    log_prior: Tensor
    predicted: Tensor

    def __init__(
        self,
        weight: Annotated[float, Field(ge=0)] = 1.0,
        label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        logit_adjustment: Annotated[float, Field(ge=0)] = 0.0,
        mixup: Annotated[float, Field(ge=0)] = 0.0,
        cutmix: Annotated[float, Field(ge=0)] = 0.0,
        prior: Literal["given", "trusted"] = "given",
        bootstrap: Annotated[float, Field(ge=0, le=1)] = 0.0,
        bootstrap_after: Annotated[
            int, Field(ge=0), StageEpochs("nothing is bootstrapped", beside="bootstrap")
        ] = 0,
        target: Literal["label", "posterior"] = "label",
        samples: Literal["all", "confident"] = "all",
        over_stage: OverStage = "constant",
        views: str | None = None,
    ) -> None:
        super().__init__()
        self.weight = weight
        self.label_smoothing = label_smoothing
        self.logit_adjustment = logit_adjustment
        self.mixup = mixup
        self.cutmix = cutmix
        self.prior = prior
        self.bootstrap = bootstrap
        self.bootstrap_after = bootstrap_after
        self.target = target
        self.samples = samples
        self.over_stage = over_stage
        self.views = views

    @staticmethod
    def problems(
        params: Mapping[str, Any], stage: Mapping[str, Any], recipe: Mapping[str, Any]
    ) -> Problems:
        """What is wrong between this term and its stage."""
        missing = without_posterior(stage, "target") if params.get("target") == "posterior" else []
        return [*view_problems(params, stage), *missing]

    def setup(self, facts: TrainingFacts) -> None:
        """Take the prior from the given labels; a class without samples counts as one sample.

        Raises:
            ValueError: The target is a posterior, and the stage's selector gives none.
        """
        provides = facts.selector.provides if facts.selector is not None else frozenset()
        if self.target == "posterior" and "posterior" not in provides:
            raise ValueError(
                "Expected a selector that gives a posterior beside `target: posterior`, but got "
                f"{'none' if facts.selector is None else type(facts.selector).__name__}. "
                "Try: rolt, tcl or elr_history in the stage's contrastive term"
            )
        counts = facts.counts.clamp(min=1).float()
        self.register_buffer("log_prior", (counts / counts.sum()).log())
        if self.bootstrap:
            self.register_buffer("predicted", torch.full((facts.samples,), -1))

    @property
    def requires(self) -> frozenset[str]:
        """Logits, for bootstrapping."""
        return frozenset({"logits"}) if self.bootstrap else frozenset()

    def due(self, epoch: int) -> bool:
        """Whether bootstrapping has started."""
        return bool(self.bootstrap) and epoch >= self.bootstrap_after

    def refresh(self, bank: SampleBank, epoch: int) -> None:
        """Remember the network's predictions, once bootstrapping has started."""
        if self.due(epoch):
            self.predicted = bank.need("logits").argmax(1).to(self.log_prior.device)

    def forward(self, batch: StepBatch) -> TermResult:
        """The mean over views and samples; logs the accuracy on the working labels."""
        rows = batch.view_rows(self.views)
        label = batch.label.expand(len(rows), -1)
        if self.mixup or self.cutmix:
            mix, outputs = batch.mixed(self.mixup, self.cutmix)
            partner = batch.label[mix.partner.to(label.device)[rows]]
            share = mix.share.to(label.device)[rows, None].expand_as(label)
            share = torch.where(partner >= 0, share, 1.0)  # of an unknown label nothing is learnt
        else:
            outputs, partner, share = batch.outputs(), None, None
        logits = outputs.logits[rows].float()
        log_prior = self._log_prior(batch)
        losses = self._losses(logits, label, batch.index.expand_as(label), batch.samples, log_prior)
        if partner is not None and share is not None:
            other = batch.index[mix.partner.to(label.device)[rows]]
            theirs = self._losses(logits, partner, other, batch.samples, log_prior)
            losses = share * losses + (1 - share) * theirs
        known = (label >= 0).to(losses.dtype)
        if self.samples == "confident":
            known = known * (batch.trust > 0.5)
        loss, _ = global_mean(losses.flatten(), known.flatten())
        right = (logits.argmax(-1) == label).to(losses.dtype)
        accuracy, _ = global_mean(right.flatten(), known.flatten())
        return TermResult(loss, {"accuracy": accuracy})

    def _log_prior(self, batch: StepBatch) -> Tensor:
        if self.prior == "given" or not self.logit_adjustment:
            return self.log_prior
        counts = batch.samples.trusted_counts(len(self.log_prior)).clamp(min=1).float()
        return (counts / counts.sum()).log()

    def _losses(
        self, logits: Tensor, label: Tensor, index: Tensor, samples: Beliefs, log_prior: Tensor
    ) -> Tensor:
        adjusted = logits + self.logit_adjustment * log_prior
        if self.target == "posterior" and samples.posterior is not None:
            losses = self._plain(adjusted, samples.posterior[index].to(adjusted.dtype))
        else:
            losses = self._plain(adjusted, label.clamp(min=0))
        if not self.bootstrap:
            return losses
        predicted = self.predicted[index]
        own = self._plain(adjusted, predicted.clamp(min=0))
        share = self.bootstrap * (predicted >= 0)
        return (1 - share) * losses + share * own

    def _plain(self, adjusted: Tensor, target: Tensor) -> Tensor:
        """``(V, B)`` against classes ``(V, B)``, or probabilities ``(V, B, C)``."""
        losses = functional.cross_entropy(
            adjusted.flatten(0, 1),
            target.flatten(0, 1),
            reduction="none",
            label_smoothing=self.label_smoothing,
        )
        return torch.unflatten(losses, 0, adjusted.shape[:2])
