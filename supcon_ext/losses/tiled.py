"""The formula in tiles: no matrix of pairs is ever held, on any device.

Forward keeps, for each anchor, a running log-sum-exp of its denominator and of its positives;
backward computes each tile again. Memory is O(N D + tile^2). Everything inside is float32 (float64
if the input is).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from supcon_ext.losses.pairs import PairRule, PairTile, Views, WeightPlan

TILE = 1024


@dataclass(frozen=True, slots=True)
class TiledProblem:
    """All of the formula but the embeddings: positives, weights and settings."""

    anchors: Views
    contrasts: Views
    rule: PairRule
    plan: WeightPlan
    temperature: float
    form: Literal["out", "in"]
    tile: int

    def tiles(
        self, z_AD: Tensor, z_KD: Tensor
    ) -> Iterator[tuple[slice, slice, Tensor, Tensor, Tensor]]:
        """Each tile: rows, columns, logits, log weights (-inf: left out) and targets."""
        plan = self.plan
        for row in range(0, len(z_AD), self.tile):
            rows = slice(row, min(row + self.tile, len(z_AD)))
            anchors = self.anchors.rows(rows)
            for column in range(0, len(z_KD), self.tile):
                columns = slice(column, min(column + self.tile, len(z_KD)))
                similarity = z_AD[rows] @ z_KD[columns].T
                pairs = PairTile(anchors, self.contrasts.rows(columns), similarity)
                itself = pairs.itself()
                targets = checked_targets(self.rule.targets(pairs), pairs).masked_fill(itself, 0.0)
                log_weight = torch.zeros_like(similarity).masked_fill_(itself, -torch.inf)
                if plan.log_column is not None:
                    log_weight += plan.log_column[None, columns]
                if plan.log_same is not None:
                    log_weight += plan.log_same[rows, None] * pairs.same("label")
                if plan.temperature is None:
                    logits = similarity / self.temperature
                else:
                    logits = similarity / plan.temperature[rows, None]
                yield rows, columns, logits, log_weight, targets


def checked_targets(targets: Tensor, pairs: PairTile) -> Tensor:
    """The rule's answer in the embeddings' type.

    Raises:
        ValueError: It has the wrong shape.
    """
    if targets.shape != pairs.similarity_AK.shape:
        raise ValueError(
            f"Expected targets of shape {tuple(pairs.similarity_AK.shape)} (anchors, contrasts), "
            f"but got {tuple(targets.shape)}"
        )
    return targets.to(pairs.similarity_AK.dtype)


class _TiledLoss(torch.autograd.Function):
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
        total = torch.where(denominator > -torch.inf, total, torch.zeros_like(total))
        some = total > 0
        safe = torch.where(some, total, torch.ones_like(total))
        mean = positive / safe if problem.form == "out" else positive - safe.log()
        losses = torch.where(some, denominator - mean, torch.zeros_like(total))
        ctx.save_for_backward(z_AD, z_KD, denominator, positive, total)
        ctx.problem = problem
        ctx.mark_non_differentiable(total)
        return losses, total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, Tensor, None]:
        z_AD, z_KD, denominator, positive, total = ctx.saved_tensors
        problem: TiledProblem = ctx.problem
        some = total > 0
        safe = torch.where(some, total, torch.ones_like(total))
        denominator = torch.where(some, denominator, torch.zeros_like(denominator))
        positive = torch.where(some, positive, torch.zeros_like(positive))
        scale = torch.where(some, grad, torch.zeros_like(grad))
        if problem.plan.temperature is None:
            scale = scale / problem.temperature
        else:
            scale = scale / problem.plan.temperature
        grad_AD, grad_KD = torch.zeros_like(z_AD), torch.zeros_like(z_KD)
        for rows, columns, logits, log_weight, targets in problem.tiles(z_AD, z_KD):
            pull = (logits + log_weight - denominator[rows, None]).exp()
            if problem.form == "out":
                pull -= targets / safe[rows, None]
            else:
                pull -= targets * (logits - positive[rows, None]).exp()
            pull = torch.where(some[rows, None], pull * scale[rows, None], 0.0)
            grad_AD[rows] += pull @ z_KD[columns]
            grad_KD[columns] += pull.T @ z_AD[rows]
        return grad_AD, grad_KD, None


def tiled_anchor_losses(
    anchors: Views,
    contrasts: Views,
    rule: PairRule,
    plan: WeightPlan | None = None,
    temperature: float = 0.1,
    form: Literal["out", "in"] = "out",
    tile: int = TILE,
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
    )
    losses, total = _TiledLoss.apply(anchors.z, contrasts.z, problem)
    return losses, total
