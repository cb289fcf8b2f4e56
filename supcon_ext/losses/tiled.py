"""The whole family in tiles, on any device: no matrix of pairs is ever held.

Forward keeps, for each anchor, a running log-sum-exp of its denominator and the sums of its
positives; backward computes each tile again. Memory is O(N D + tile^2). Everything inside is
float32 (float64 if the input is).

Denominators (the modes of Khosla et al.'s TensorFlow code):

* ``all``: every contrast but the anchor itself.
* ``only_negatives``: contrasts that are no positive of the anchor.
* ``one_positive``: the negatives and the one positive that stands in the numerator.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from supcon_ext.losses.asking import asked_neutral, asked_targets
from supcon_ext.losses.cap import Cap
from supcon_ext.losses.first_derivative import first_derivative_only
from supcon_ext.losses.rows import PairRule, PairTile, Rows, WeightPlan

Form = Literal["out", "in"]
Denominator = Literal["all", "one_positive", "only_negatives"]
TILE = 1024


@dataclass(frozen=True, slots=True)
class TiledProblem:
    """All of the formula but the embeddings: positives, weights and settings."""

    anchors: Rows
    contrasts: Rows
    rule: PairRule
    plan: WeightPlan
    temperature: float
    form: Form
    tile: int
    denominator: Denominator = "all"
    cap: Cap | None = None
    threshold: Tensor | None = None
    neutral: bool = False

    def pairs(self, z_AD: Tensor, z_KD: Tensor) -> Iterator[tuple[slice, slice, PairTile, Tensor]]:
        """Each tile: rows, columns, pairs and targets."""
        for row in range(0, len(z_AD), self.tile):
            rows = slice(row, min(row + self.tile, len(z_AD)))
            anchors = self.anchors.rows(rows)
            for column in range(0, len(z_KD), self.tile):
                columns = slice(column, min(column + self.tile, len(z_KD)))
                similarity = z_AD[rows] @ z_KD[columns].T
                pairs = PairTile(anchors, self.contrasts.rows(columns), similarity)
                targets = asked_targets(self.rule, pairs)
                targets = self._scaled(targets, rows, columns, pairs)
                yield rows, columns, pairs, targets.masked_fill(pairs.itself(), 0.0)

    def _scaled(self, targets: Tensor, rows: slice, columns: slice, pairs: PairTile) -> Tensor:
        """Targets times the plan's factors on them."""
        plan = self.plan
        if plan.target_own is not None:
            own = plan.target_own[rows, None].to(targets.dtype)
            targets = torch.where(pairs.own_views(), targets * own, targets)
        if plan.target_column is not None:
            targets = targets * plan.target_column[None, columns].to(targets.dtype)
        return targets

    def _same(self, rows: slice, columns: slice, pairs: PairTile) -> Tensor:
        """Whether anchor and contrast are of one class, as the weights have it."""
        group = self.plan.group
        if group is None:
            return pairs.same("label")
        anchor = group[rows, None]
        return (anchor == group[None, columns]) & (anchor >= 0)

    def tiles(
        self, z_AD: Tensor, z_KD: Tensor
    ) -> Iterator[tuple[slice, slice, Tensor, Tensor, Tensor]]:
        """Each tile: rows, columns, logits, log weights (-inf: left out) and targets."""
        plan = self.plan
        for rows, columns, pairs, targets in self.pairs(z_AD, z_KD):
            similarity = pairs.similarity_AK
            log_weight = torch.zeros_like(similarity)
            log_weight.masked_fill_(pairs.itself(), -torch.inf)
            if self.cap is not None and self.threshold is not None:
                dropped = self.cap.dropped(pairs, targets, self.threshold[rows])
                targets = targets.masked_fill(dropped, 0.0)
                if self.cap.surplus == "dropped":
                    log_weight.masked_fill_(dropped, -torch.inf)
            if self.denominator == "only_negatives":
                log_weight.masked_fill_(targets > 0, -torch.inf)
            ignored = asked_neutral(self.rule, pairs)
            if ignored is not None:
                log_weight.masked_fill_(ignored & (targets == 0), -torch.inf)
            if self.neutral:
                log_weight.masked_fill_(pairs.same("label") & (targets == 0), -torch.inf)
            if plan.log_column is not None:
                log_weight += plan.log_column[None, columns]
            if plan.log_same is not None:
                log_weight += plan.log_same[rows, None] * self._same(rows, columns, pairs)
            if plan.table is not None:
                row, column = plan.table
                log_weight += (row[rows] @ column[columns].T).to(log_weight.dtype).log()
            if plan.temperature is None:
                logits = similarity / self.temperature
            else:
                logits = similarity / plan.temperature[rows, None]
            yield rows, columns, logits, log_weight, targets

    def scale(self, grad: Tensor) -> Tensor:
        """A gradient by the logits as one by the similarities."""
        if self.plan.temperature is None:
            return grad / self.temperature
        return grad / self.plan.temperature

    def capped(self, z_AD: Tensor, z_KD: Tensor) -> TiledProblem:
        """The problem with the cap's thresholds found."""
        if self.cap is None:
            return self
        found = ((rows, pairs, targets) for rows, _, pairs, targets in self.pairs(z_AD, z_KD))
        return replace(self, threshold=self.cap.threshold(found, len(z_AD)))


def _finite(values: Tensor, some: Tensor) -> Tensor:
    """Zero where there is nothing, so that nothing infinite is computed with."""
    return torch.where(some, values, torch.zeros_like(values))


class _TiledLoss(torch.autograd.Function):
    """Denominators ``all`` and ``only_negatives``."""

    @staticmethod
    def forward(
        ctx: Any, z_AD: Tensor, z_KD: Tensor, problem: TiledProblem
    ) -> tuple[Tensor, Tensor]:
        count = len(z_AD)
        denominator = z_AD.new_full((count,), -torch.inf)
        total = z_AD.new_zeros(count)
        positive = z_AD.new_full((count,), 0.0 if problem.form == "out" else -torch.inf)
        for rows, _, logits, log_weight, targets in problem.tiles(z_AD, z_KD):
            denominator[rows] = torch.logaddexp(
                denominator[rows], (logits + log_weight).logsumexp(1)
            )
            total[rows] += targets.sum(1)
            if problem.form == "out":
                positive[rows] += (targets * logits).sum(1)
            else:
                positive[rows] = torch.logaddexp(
                    positive[rows], (logits + targets.log()).logsumexp(1)
                )
        total = _finite(total, denominator > -torch.inf)
        some = total > 0
        safe = torch.where(some, total, torch.ones_like(total))
        mean = positive / safe if problem.form == "out" else positive - safe.log()
        losses = _finite(denominator - mean, some)
        ctx.save_for_backward(z_AD, z_KD, denominator, positive, total)
        ctx.problem = problem
        ctx.mark_non_differentiable(total)
        return losses, total

    @staticmethod
    @first_derivative_only
    def backward(ctx: Any, grad: Tensor, unused: Tensor) -> tuple[Tensor, Tensor, None]:
        z_AD, z_KD, denominator, positive, total = ctx.saved_tensors
        problem: TiledProblem = ctx.problem
        some = total > 0
        safe = torch.where(some, total, torch.ones_like(total))
        denominator, positive = _finite(denominator, some), _finite(positive, some)
        scale = problem.scale(_finite(grad, some))
        grad_AD, grad_KD = torch.zeros_like(z_AD), torch.zeros_like(z_KD)
        for rows, columns, logits, log_weight, targets in problem.tiles(z_AD, z_KD):
            force = (logits + log_weight - denominator[rows, None]).exp()
            if problem.form == "out":
                force -= targets / safe[rows, None]
            else:
                share = (logits - positive[rows, None]).exp()
                force -= torch.where(targets > 0, targets * share, 0.0)  # a hard negative: inf * 0
            force = torch.where(some[rows, None], force * scale[rows, None], 0.0)
            grad_AD[rows] += force @ z_KD[columns]
            grad_KD[columns] += force.T @ z_AD[rows]
        return grad_AD, grad_KD, None


class _OnePositiveLoss(torch.autograd.Function):
    """Denominator ``one_positive``: each positive stands against the negatives alone.

    With N_i the sum over negatives, w_p the weight and q_ip = w_p e^s_ip / (N_i + w_p e^s_ip):
    out is sum_p t_ip (log(N_i + w_p e^s_ip) - s_ip) / sum_p t_ip, in is
    -log(sum_p t_ip e^s_ip / (N_i + w_p e^s_ip) / sum_p t_ip).
    """

    @staticmethod
    def _negatives(problem: TiledProblem, z_AD: Tensor, z_KD: Tensor) -> Tensor:
        negatives = z_AD.new_full((len(z_AD),), -torch.inf)
        for rows, _, logits, log_weight, targets in problem.tiles(z_AD, z_KD):
            alone = (logits + log_weight).masked_fill(targets > 0, -torch.inf)
            negatives[rows] = torch.logaddexp(negatives[rows], alone.logsumexp(1))
        return negatives

    @staticmethod
    def forward(
        ctx: Any, z_AD: Tensor, z_KD: Tensor, problem: TiledProblem
    ) -> tuple[Tensor, Tensor]:
        negatives = _OnePositiveLoss._negatives(problem, z_AD, z_KD)
        out = problem.form == "out"
        total = z_AD.new_zeros(len(z_AD))
        value = z_AD.new_full((len(z_AD),), 0.0 if out else -torch.inf)
        for rows, _, logits, log_weight, targets in problem.tiles(z_AD, z_KD):
            both = torch.logaddexp(negatives[rows, None], logits + log_weight)
            targets = _finite(targets, both > -torch.inf)  # nothing to stand against: no positive
            log_share = logits - both
            total[rows] += targets.sum(1)
            if out:
                value[rows] -= torch.where(targets > 0, targets * log_share, 0.0).sum(1)
            else:
                part = torch.where(targets > 0, log_share + targets.log(), -torch.inf)
                value[rows] = torch.logaddexp(value[rows], part.logsumexp(1))
        some = total > 0
        safe = torch.where(some, total, torch.ones_like(total))
        losses = _finite(value / safe if out else safe.log() - value, some)
        ctx.save_for_backward(z_AD, z_KD, negatives, value, total)
        ctx.problem = problem
        ctx.mark_non_differentiable(total)
        return losses, total

    @staticmethod
    def _shares(
        problem: TiledProblem, rows: slice, logits: Tensor, weighted: Tensor, saved: list[Tensor]
    ) -> Tensor:
        """``(A, K)`` (1 - q) / sum t for out; the same times each positive's part of the sum."""
        negatives, value, safe = saved
        both = torch.logaddexp(negatives[rows, None], weighted)
        some = both > -torch.inf
        rest = _finite(-torch.expm1((weighted - both).clamp(max=0.0)), some)
        if problem.form == "out":
            return rest / safe[rows, None]
        return rest * (logits - torch.where(some, both, torch.inf) - value[rows, None]).exp()

    @staticmethod
    @first_derivative_only
    def backward(ctx: Any, grad: Tensor, unused: Tensor) -> tuple[Tensor, Tensor, None]:
        z_AD, z_KD, negatives, value, total = ctx.saved_tensors
        problem: TiledProblem = ctx.problem
        some = total > 0
        safe = torch.where(some, total, torch.ones_like(total))
        saved = [negatives, _finite(value, some), safe]
        scale = problem.scale(_finite(grad, some))
        shares = _OnePositiveLoss._shares
        pushed = z_AD.new_zeros(len(z_AD))
        for rows, _, logits, log_weight, targets in problem.tiles(z_AD, z_KD):
            share = shares(problem, rows, logits, logits + log_weight, saved)
            pushed[rows] += torch.where(targets > 0, targets * share, 0.0).sum(1)
        against = torch.where(negatives > -torch.inf, negatives, torch.zeros_like(negatives))
        grad_AD, grad_KD = torch.zeros_like(z_AD), torch.zeros_like(z_KD)
        for rows, columns, logits, log_weight, targets in problem.tiles(z_AD, z_KD):
            weighted = logits + log_weight
            share = shares(problem, rows, logits, weighted, saved)
            force = pushed[rows, None] * (weighted - against[rows, None]).exp()
            force = torch.where(targets > 0, -targets * share, force)
            force = torch.where(some[rows, None], force * scale[rows, None], 0.0)
            grad_AD[rows] += force @ z_KD[columns]
            grad_KD[columns] += force.T @ z_AD[rows]
        return grad_AD, grad_KD, None


def tiled_anchor_losses(
    anchors: Rows,
    contrasts: Rows,
    rule: PairRule,
    plan: WeightPlan | None = None,
    temperature: float = 0.1,
    form: Form = "out",
    tile: int = TILE,
    denominator: Denominator = "all",
    cap: Cap | None = None,
    neutral: bool = False,
) -> tuple[Tensor, Tensor]:
    """The loss of each anchor, computed in tiles; gradients flow to both ends' embeddings.

    Args:
        anchors: A rows of unit norm.
        contrasts: K rows of unit norm.
        rule: Gives the targets of a tile; no gradient flows through it. It is asked again in
            backward and must answer the same.
        plan: Contrast weights and row temperatures; no gradient flows to them.
        temperature: tau, where the plan gives none.
        form: ``out`` (Khosla et al. 2020, eq. 2) or ``in`` (eq. 3).
        tile: Rows and columns of a tile.
        denominator: Which contrasts stand in it.
        cap: On the positives of an anchor.
        neutral: Leave pairs with the same label that the rule rejects out of the denominator.

    Returns:
        ``(A,)`` losses, 0 where an anchor has no positive (or no contrast), and ``(A,)`` sums of
        its targets.
    """
    problem = TiledProblem(
        anchors.detached(),
        contrasts.detached(),
        rule,
        plan or WeightPlan(),
        temperature,
        form,
        tile,
        denominator,
        cap,
        neutral=neutral,
    )
    problem = problem.capped(anchors.z.detach(), contrasts.z.detach())
    kind = _OnePositiveLoss if denominator == "one_positive" else _TiledLoss
    losses, total = kind.apply(anchors.z, contrasts.z, problem)
    return losses, total
