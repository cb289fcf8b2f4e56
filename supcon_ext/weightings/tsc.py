"""TSC: fixed targets, spread evenly on the sphere, to which classes are assigned."""

from __future__ import annotations

import functools
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses.rows import Rows, Source, WeightPlan
from supcon_ext.training_facts import TrainingFacts
from supcon_ext.weightings.base import Weighting, WeightingStep, weighting
from supcon_ext.weightings.prototypes import prototype_rows

STEPS, RATE, SHARPNESS = 2000, 0.05, 0.07
KEPT = 0.9  # of a class's centre, at each step


@functools.lru_cache(maxsize=8)  # a pure function of small numbers that takes seconds
def spread_targets(classes: int, dim: int, seed: int = 0) -> Tensor:
    """Unit vectors as far from each other as gradient descent brings them (Li et al. 2022, TSC).

    The mean over vectors of the log-sum-exp of their similarities to all others is minimised.

    Args:
        classes: C, at least 1.
        dim: D.
        seed: Of the start.

    Returns:
        ``(C, D)`` float32.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.enable_grad():
        free = torch.randn(classes, dim, generator=generator).requires_grad_()
        optimizer = torch.optim.Adam([free], RATE)
        for _ in range(STEPS if classes > 1 else 0):
            unit = functional.normalize(free, dim=1)
            similarity = (unit @ unit.T / SHARPNESS).fill_diagonal_(-torch.inf)
            loss = similarity.logsumexp(1).mean()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    return functional.normalize(free.detach(), dim=1)


@weighting("tsc")
class TSC(Weighting):
    """Fixed targets among the contrasts draw each class to a place of its own (Li et al. 2022).

    In each step, the classes are assigned to targets so that their centres are as similar as can be
    (Hungarian matching); a centre is a running mean of the class's embeddings, brought back to unit
    length in each step. The own target is a positive of weight ``positive`` beside 1 of each
    sample, and every target is a contrast. With ``positives_cap: 6`` and ``surplus: negative`` of
    the contrastive term it is the published method on top of KCL.

    The authors' code divides an anchor's loss by the number of its positives, the target included,
    and not by the sum of their weights: its loss is (n + 1.2) / (n + 2) times this one for n
    positives drawn beside the own view, .9 for n = 6; ``weight`` of the term says so where it
    matters. Its targets and first centres are others, random ones.

    Args:
        positive: Weight of the own target.
        start: Share of the stage before the targets come in.
        seed: Of the targets' start.
    """

    targets: Tensor
    mean: Tensor
    seen: Tensor

    def __init__(
        self,
        positive: Annotated[float, Field(ge=0)] = 0.2,
        start: Annotated[float, Field(ge=0, le=1)] = 0.5,
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        super().__init__()
        self.positive = positive
        self.start = start
        self.seed = seed

    def setup(self, facts: TrainingFacts) -> None:
        """Spread the targets."""
        super().setup(facts)
        self.register_buffer("targets", spread_targets(facts.classes, facts.dim, self.seed).clone())
        self.register_buffer("mean", torch.zeros(facts.classes, facts.dim))
        self.register_buffer("seen", torch.zeros(facts.classes, dtype=torch.bool))

    @torch.no_grad()
    def observe(self, step: WeightingStep) -> None:
        """Move the centres of the classes that the batch has trusted samples of."""
        if self.classes is None:
            return
        batch = step.rows
        trusted = (batch.trust > 0.5) & (batch.label >= 0)
        label, z = batch.label[trusted], batch.z[trusted].to(self.mean.dtype)
        total = torch.zeros_like(self.mean).index_add_(0, label, z)
        count = torch.zeros_like(self.mean[:, 0]).index_add_(0, label, torch.ones_like(z[:, 0]))
        there = count > 0
        new = functional.normalize(total, dim=1)
        moved = torch.where(self.seen[:, None], KEPT * self.mean + (1 - KEPT) * new, new)
        self.mean = torch.where(there[:, None], functional.normalize(moved, dim=1), self.mean)
        self.seen = self.seen | there

    def columns(self, step: WeightingStep) -> Rows | None:
        """The targets in the order of the classes they are assigned to, once it is time."""
        if self.classes is None or step.progress < self.start:
            return None
        return prototype_rows(self.targets[self.assignment()].to(step.rows.z.dtype), step.rows)

    def assignment(self) -> Tensor:
        """``(C,)`` int64 target of each class."""
        from scipy.optimize import linear_sum_assignment

        likeness = (self.mean @ self.targets.T).cpu().numpy()
        _, column = linear_sum_assignment(likeness, maximize=True)
        return torch.from_numpy(column).to(self.targets.device)

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        """Weight of the targets as positives."""
        stands = contrasts.source == int(Source.PROTOTYPE)
        if not bool(stands.any()):
            return WeightPlan()
        ones = torch.ones_like(contrasts.z[:, 0])
        return WeightPlan(target_column=torch.where(stands, self.positive * ones, ones))
