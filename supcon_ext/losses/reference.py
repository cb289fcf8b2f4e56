"""The formula written plainly, with the whole matrix of pairs: the tests' oracle.

    s_ia = z_i . z_a / tau_i
    out:  L_i = log sum_a w_ia exp(s_ia) - sum_a t_ia s_ia / sum_a t_ia
    in:   L_i = log sum_a w_ia exp(s_ia) - log( sum_a t_ia exp(s_ia) / sum_a t_ia )
    L     = sum_i u_i L_i / sum_i u_i     over the anchors that have a positive

out is eq. 2 of Khosla et al. 2020, in is eq. 3.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from supcon_ext.losses.rows import PairRule, PairTile, Rows, Source, WeightPlan


def reference_anchor_losses(
    anchors: Rows,
    contrasts: Rows,
    rule: PairRule,
    plan: WeightPlan | None = None,
    temperature: float = 0.1,
    form: Literal["out", "in"] = "out",
    denominator: Literal["all", "one_positive", "only_negatives"] = "all",
    dropped_AK: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The loss of each anchor, from the materialised ``(A, K)`` matrix.

    Args:
        anchors: A rows, unit norm.
        contrasts: K rows, unit norm.
        rule: Gives the targets.
        plan: Contrast weights, anchor weights (not used here) and row temperatures.
        temperature: tau, where the plan gives none.
        form: ``out`` or ``in``.
        denominator: Which contrasts stand in it.
        dropped_AK: ``(A, K)`` bool, pairs that a cap leaves out altogether.

    Returns:
        ``(A,)`` losses, 0 where an anchor has no positive, and ``(A,)`` sums of the targets.
    """
    plan = plan or WeightPlan()
    tile = PairTile(anchors, contrasts, (anchors.z @ contrasts.z.T).detach())
    left_out = tile.itself() if dropped_AK is None else tile.itself() | dropped_AK
    targets = rule.targets(tile).to(anchors.z.dtype)
    if plan.target_own is not None:
        own = tile.same("index") & (contrasts.source != int(Source.QUEUE))[None, :]
        targets = torch.where(own, targets * plan.target_own[:, None], targets)
    if plan.target_column is not None:
        targets = targets * plan.target_column[None, :]
    targets = targets.masked_fill(left_out, 0.0)
    log_weight = torch.zeros_like(targets).masked_fill(left_out, -torch.inf)
    if plan.log_column is not None:
        log_weight = log_weight + plan.log_column[None, :]
    if plan.log_same is not None:
        same = tile.same("label")
        if plan.group is not None:
            anchor = plan.group[: len(anchors), None]
            same = (anchor == plan.group[None, :]) & (anchor >= 0)
        log_weight = log_weight + plan.log_same[:, None] * same
    if plan.table is not None:
        row, column = plan.table
        log_weight = log_weight + (row[: len(anchors)] @ column.T).to(targets.dtype).log()
    if denominator != "all":
        negative = log_weight.masked_fill(targets > 0, -torch.inf)
    tau = torch.full_like(anchors.z[:, 0], temperature)
    tau = tau if plan.temperature is None else plan.temperature
    admitted = log_weight if denominator != "only_negatives" else negative
    everything = anchors.z @ contrasts.z.T / tau[:, None]
    if denominator == "one_positive":
        against = (everything + negative).exp().sum(1, keepdim=True)
        under = against + (everything + log_weight).exp()
        targets = targets.masked_fill(under.detach() == 0, 0.0)
        under = torch.where(targets > 0, under, torch.ones_like(under))
    total = targets.sum(1)
    if denominator != "one_positive":
        total = total * (admitted > -torch.inf).any(1)

    some = total > 0
    logits = everything[some]
    target = targets[some] / total[some, None]
    if denominator == "one_positive":
        share = torch.where(target > 0, logits.exp() / under[some], torch.ones_like(target))
        if form == "out":
            found = -(target * share.log()).sum(1)
        else:
            found = -(target * share).sum(1).log()
    else:
        log_sum = (logits + admitted[some]).logsumexp(1)
        if form == "out":
            found = log_sum - (target * logits).sum(1)
        else:
            found = log_sum - (logits + target.log()).logsumexp(1)
    losses = anchors.z.new_zeros(len(anchors)).masked_scatter(some, found)
    return losses, total


def reference_loss(
    anchors: Rows,
    contrasts: Rows,
    rule: PairRule,
    plan: WeightPlan | None = None,
    temperature: float = 0.1,
    form: Literal["out", "in"] = "out",
) -> Tensor:
    """The batch's loss: the weighted mean of the anchors that have a positive; 0 if none has."""
    losses, total = reference_anchor_losses(anchors, contrasts, rule, plan, temperature, form)
    weight = torch.ones_like(losses) if plan is None or plan.anchor is None else plan.anchor
    weight = weight * (total > 0)
    mass = weight.sum()
    return (weight * losses).sum() / torch.where(mass > 0, mass, torch.ones_like(mass))
