"""Early-learning regularisation: predictions stay near what they have been over time.

Shape letters: n rows of a batch, N samples, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from supcon_ext.losses.gather import gather_rows, global_mean, world_size
from supcon_ext.losses.rows import Rows
from supcon_ext.objectives.base import (
    StepBatch,
    Term,
    TermResult,
    TrainingFacts,
    term,
    view_problems,
)
from supcon_ext.objectives.stage_selector import Problems

CLIP = 1e-4


@term("elr")
class ElrRegulariser(Term):
    """Early-learning regularisation (Liu et al. 2020, ELR, eq. 6), beside a cross-entropy term.

    ``log(1 - <p, t>)``, of the softmax p of the classifier's logits on a row and the running mean t
    of the predictions on its sample: t becomes ``beta t + (1 - beta) p / sum p``, from 0 and before
    the loss is taken, and no gradient flows through it. It is least where p is what t says, so that
    a wrong label which the network has long predicted otherwise is not learned by heart. The
    term's ``weight`` is the paper's lambda; lambda and beta are 3 and 0.7 on CIFAR-10, 7 and 0.9
    on CIFAR-100.

    Probabilities are brought to [1e-4, 1 - 1e-4], as in the authors' code; the paper leaves them.
    Theirs has one view a sample; of several views, t takes in the mean. It looks at no label: the
    cross-entropy beside it may adjust its logits or leave samples out, and p is without. Its state
    is N x C floats, the same in every process, and begins anew with each stage.

    Args:
        beta: How much of the running mean each step keeps.
    """

    weight = 3.0  # lambda on CIFAR-10
    trains_classifier = True
    target: Tensor

    def __init__(self, beta: Annotated[float, Field(ge=0, lt=1)] = 0.7) -> None:
        super().__init__()
        self.beta = beta

    @staticmethod
    def problems(
        params: Mapping[str, Any], stage: Mapping[str, Any], recipe: Mapping[str, Any]
    ) -> Problems:
        """What is wrong between this term and its stage: nothing else in it learns labels."""
        others = {kind for item in stage["objective"] for kind in item} - {"elr"}
        if any(getattr(term.get(kind).target, "trains_classifier", False) for kind in others):
            return view_problems(params, stage)
        message = "Expected a term that learns labels beside `elr`, but got none. "
        return [*view_problems(params, stage), ((), message + "Try: - cross_entropy")]

    def setup(self, facts: TrainingFacts) -> None:
        """Nothing has been predicted yet."""
        self.register_buffer("target", torch.zeros(facts.samples, facts.classes))

    def forward(self, batch: StepBatch) -> TermResult:
        """The mean over rows; logs that of <p, t>."""
        rows = batch.rows(self.views)
        logits = batch.outputs().logits[rows.place].float()
        p = logits.softmax(1).clamp(CLIP, 1 - CLIP)
        self._remember(p.detach(), rows.sample)
        agreement = (self.target[rows.sample] * p).sum(1)
        loss, _ = global_mean((1 - agreement).log(), torch.ones_like(agreement))
        mean, _ = global_mean(agreement.detach(), torch.ones_like(agreement))
        return TermResult(loss, {"agreement": mean})

    @torch.no_grad()
    def _remember(self, p: Tensor, sample: Tensor) -> None:
        """Take the rows of all processes into their samples' running means."""
        views = Rows.of(p / p.sum(1, keepdim=True), index=sample)
        if world_size() > 1:
            views, _ = gather_rows(views)
        seen, place, rows = torch.unique(views.index, return_inverse=True, return_counts=True)
        mean = torch.zeros_like(self.target[seen]).index_add_(0, place, views.z) / rows[:, None]
        self.target[seen] = self.beta * self.target[seen] + (1 - self.beta) * mean
