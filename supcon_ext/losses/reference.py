"""The formula written plainly, with the whole matrix of pairs: the tests' oracle.

s_ia = z_i . z_a / tau_i
out:  L_i = log sum_a w_ia exp(s_ia) - sum_a t_ia s_ia / sum_a t_ia             (Khosla et al. 2020,
eq. 2)
in:   L_i = log sum_a w_ia exp(s_ia) - log( sum_a t_ia exp(s_ia) / sum_a t_ia )  (eq. 3)
L     = sum_i u_i L_i / sum_i u_i     over the anchors that have a positive
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from supcon_ext.losses.pairs import PairRule, PairTile, Views, WeightPlan


def reference_anchor_losses(
    anchors: Views,
    contrasts: Views,
    rule: PairRule,
    plan: WeightPlan | None = None,
    temperature: float = 0.1,
    form: Literal["out", "in"] = "out",
) -> tuple[Tensor, Tensor]:
    """The loss of each anchor, from the materialised ``(A, K)`` matrix.

    Args:
        anchors: A rows, unit norm.
        contrasts: K rows, unit norm.
        rule: Gives the targets.
        plan: Contrast weights, anchor weights (not used here) and row temperatures.
        temperature: tau, where the plan gives none.
        form: ``out`` or ``in``.

    Returns:
        ``(A,)`` losses, 0 where an anchor has no positive, and ``(A,)`` sums of the targets.
    """
    plan = plan or WeightPlan()
    tile = PairTile(anchors, contrasts, (anchors.z @ contrasts.z.T).detach())
    itself = tile.itself()
    targets = rule.targets(tile).to(anchors.z.dtype).masked_fill(itself, 0.0)
    log_weight = torch.zeros_like(targets).masked_fill(itself, -torch.inf)
    if plan.log_column is not None:
        log_weight = log_weight + plan.log_column[None, :]
    if plan.log_same is not None:
        log_weight = log_weight + plan.log_same[:, None] * tile.same("label")
    tau = torch.full_like(anchors.z[:, 0], temperature)
    tau = tau if plan.temperature is None else plan.temperature
    total = targets.sum(1) * (log_weight > -torch.inf).any(1)

    some = total > 0
    logits = (anchors.z @ contrasts.z.T / tau[:, None])[some]
    target = targets[some] / total[some, None]
    denominator = (logits + log_weight[some]).logsumexp(1)
    if form == "out":
        positive = (target * logits).sum(1)
    else:
        positive = (logits + target.log()).logsumexp(1)
    losses = anchors.z.new_zeros(len(anchors)).masked_scatter(some, denominator - positive)
    return losses, total


def reference_loss(
    anchors: Views,
    contrasts: Views,
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
