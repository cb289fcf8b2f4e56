"""Cross-entropy of the classifier against the working labels, with what the baselines use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses.gather import global_mean
from supcon_ext.objectives.base import StepBatch, Term, TermResult, TrainingFacts, term


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
        on: ``all`` samples, or the ``confident`` ones, which the stage's selector trusts.
        views: Name of the view group to classify; null for all views.
    """

    trains_classifier = True
    log_prior: Tensor

    def __init__(
        self,
        weight: Annotated[float, Field(ge=0)] = 1.0,
        label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        logit_adjustment: Annotated[float, Field(ge=0)] = 0.0,
        mixup: Annotated[float, Field(ge=0)] = 0.0,
        cutmix: Annotated[float, Field(ge=0)] = 0.0,
        on: Literal["all", "confident"] = "all",
        views: str | None = None,
    ) -> None:
        super().__init__()
        self.weight = weight
        self.label_smoothing = label_smoothing
        self.logit_adjustment = logit_adjustment
        self.mixup = mixup
        self.cutmix = cutmix
        self.on = on
        self.views = views

    @staticmethod
    def problems(
        params: Mapping[str, Any], stage: Mapping[str, Any], recipe: Mapping[str, Any]
    ) -> list[tuple[tuple[str, ...], str]]:
        """What is wrong between this term and its stage."""
        return view_problems(params, stage)

    def setup(self, facts: TrainingFacts) -> None:
        """Take the prior from the given labels; a class without samples counts as one sample."""
        counts = facts.counts.clamp(min=1).float()
        self.register_buffer("log_prior", (counts / counts.sum()).log())

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
        losses = self._losses(logits, label)
        if partner is not None and share is not None:
            losses = share * losses + (1 - share) * self._losses(logits, partner)
        known = (label >= 0).to(losses.dtype)
        if self.on == "confident":
            known = known * (batch.trust > 0.5)
        loss, _ = global_mean(losses.flatten(), known.flatten())
        right = (logits.argmax(-1) == label).to(losses.dtype)
        accuracy, _ = global_mean(right.flatten(), known.flatten())
        return TermResult(loss, {"accuracy": accuracy})

    def _losses(self, logits: Tensor, label: Tensor) -> Tensor:
        adjusted = logits + self.logit_adjustment * self.log_prior
        losses = functional.cross_entropy(
            adjusted.flatten(0, 1),
            label.clamp(min=0).flatten(),
            reduction="none",
            label_smoothing=self.label_smoothing,
        )
        return torch.unflatten(losses, 0, label.shape)


def view_problems(
    params: Mapping[str, Any], stage: Mapping[str, Any]
) -> list[tuple[tuple[str, ...], str]]:
    """A term that names a view group which its stage does not make."""
    name = params.get("views")
    views = stage.get("views")
    groups = [view.get("name") for view in (views if isinstance(views, list) else [views]) if view]
    if name is None or name in groups:
        return []
    named = [group for group in groups if group] or ["none; give them a `name`"]
    return [
        (("views",), f"Expected a view group of this stage ({', '.join(named)}), but got {name!r}")
    ]
