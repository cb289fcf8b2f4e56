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
    StepBatch,
    Term,
    TermResult,
    TrainingFacts,
    term,
    view_problems,
)
from supcon_ext.objectives.batch import Samples, meant_by, source_meant
from supcon_ext.objectives.passes import Pass, mixed_pass
from supcon_ext.objectives.stage_selector import Problems, without_posterior
from supcon_ext.selectors.base import SampleBank
from supcon_ext.stage_epochs import StageEpochs


@term("cross_entropy")
class CrossEntropy(Term):
    """Cross-entropy of the classifier's logits against the working labels.

    Args:
        label_smoothing: Share of the target spread evenly over all classes (Szegedy et al. 2016).
        logit_adjustment: tau of the logit-adjusted loss (Menon et al. 2021, eq. 10): tau log prior
            is added to the logits in training. 1 is Balanced Softmax (Ren et al. 2020). The prior
            is the given labels' share, among samples of the source that ``samples`` names.
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
        samples: ``all`` samples, the ``confident`` ones, which the stage's selector trusts, the
            ``unconfident`` others, or only ``real`` or ``synthetic`` ones; of a list such as
            ``[confident, real]``, those that are all of it.
        weigh_by_trust: Count each of these samples as much as it is trusted, rather than whole; for
            selectors whose trust is soft, such as ``linear_agreement``.
    """

    trains_classifier = True
    log_prior: Tensor
    predicted: Tensor

    def __init__(
        self,
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
        samples: Samples = "all",
        weigh_by_trust: bool = False,
    ) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.logit_adjustment = logit_adjustment
        self.mixup = mixup
        self.cutmix = cutmix
        self.prior = prior
        self.bootstrap = bootstrap
        self.bootstrap_after = bootstrap_after
        self.target = target
        self.samples = samples
        self.weigh_by_trust = weigh_by_trust

    @property
    def images_only(self) -> str | None:
        """CutMix, where it is asked for."""
        return "cutmix" if self.cutmix else None

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
        counts = facts.counts_of(source_meant(self.samples)).clamp(min=1).float()
        self.register_buffer("log_prior", (counts / counts.sum()).log())
        if self.bootstrap:
            self.register_buffer("predicted", torch.full((facts.samples,), -1))

    @property
    def passes(self) -> tuple[Pass, ...]:
        """Plain or mixed inputs."""
        return (mixed_pass(self.mixup, self.cutmix),)

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
        rows = batch.rows(self.views)
        label, mix = rows.label, None
        if self.mixup or self.cutmix:
            mix, outputs = batch.mixed(self.mixup, self.cutmix)
        else:
            outputs = batch.outputs()
        logits = outputs.logits[rows.place].float()
        log_prior = self._log_prior(batch)
        losses = self._losses(logits, label, rows.sample, batch.beliefs, log_prior)
        if mix is not None:
            partner, share = rows.partners(mix)
            other = label[partner]
            share = torch.where(other >= 0, share, 1.0)  # of an unknown label nothing is learnt
            theirs = self._losses(logits, other, rows.sample[partner], batch.beliefs, log_prior)
            losses = share * losses + (1 - share) * theirs
        known = (label >= 0).to(losses.dtype)
        meant = meant_by(self.samples, rows.trust, rows.source)
        if meant is not None:
            known = known * meant
        if self.weigh_by_trust:
            known = known * rows.trust.to(losses.dtype)
        loss, _ = global_mean(losses, known)
        accuracy, _ = global_mean((logits.argmax(-1) == label).to(losses.dtype), known)
        return TermResult(loss, {"accuracy": accuracy})

    def _log_prior(self, batch: StepBatch) -> Tensor:
        if self.prior == "given" or not self.logit_adjustment:
            return self.log_prior
        source = source_meant(self.samples)
        counts = batch.beliefs.trusted_counts(len(self.log_prior), source).clamp(min=1).float()
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
        """``(n,)`` against classes ``(n,)``, or probabilities ``(n, C)``."""
        return functional.cross_entropy(
            adjusted, target, reduction="none", label_smoothing=self.label_smoothing
        )
