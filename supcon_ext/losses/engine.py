"""Which way a loss is computed: fused on a GPU, symmetric tiles, or tiles that do everything."""

from __future__ import annotations

import torch
from torch import Tensor

from supcon_ext.losses.asking import asked_factors, takes_out
from supcon_ext.losses.cap import Cap
from supcon_ext.losses.factors import Factors
from supcon_ext.losses.rows import PairRule, Rows, WeightPlan
from supcon_ext.losses.symmetric import (
    TILE,
    SymmetricProblem,
    fits,
    symmetric_anchor_losses,
)
from supcon_ext.losses.tiled import TILE as GENERAL_TILE
from supcon_ext.losses.tiled import Denominator, Form, tiled_anchor_losses


def anchor_losses(
    anchors: Rows,
    contrasts: Rows,
    rule: PairRule,
    plan: WeightPlan,
    temperature: float,
    form: Form,
    *,
    denominator: Denominator = "all",
    cap: Cap | None = None,
    bound: float | None = None,
    tile: int | None = None,
    neutral: bool = False,
    keys: bool = False,
) -> tuple[Tensor, Tensor]:
    """The loss of each anchor, by the fastest way that can compute it.

    Args:
        anchors: A rows.
        contrasts: K rows, of which the first A are the anchors.
        rule: Gives the targets.
        plan: Weights and row temperatures.
        temperature: tau, where the plan gives none.
        form: ``out`` or ``in``.
        denominator: Which contrasts stand in it.
        cap: On the positives of an anchor.
        bound: Largest product of two norms; None measures it.
        tile: Rows and columns of a tile; None takes what is fast.
        neutral: Leave pairs with the same label that the rule rejects out of the denominator.
        keys: Whether the first A contrasts are the anchors' keys, with embeddings of their own.

    Returns:
        ``(A,)`` losses and ``(A,)`` sums of targets; see
        :func:`~supcon_ext.losses.tiled.tiled_anchor_losses`.
    """
    vectors = plan.target_own is None and plan.target_column is None and plan.table is None
    whole = denominator == "all" and cap is None and not neutral and not takes_out(rule)
    plain = whole and vectors
    factors = asked_factors(rule, contrasts) if plain else None
    single = contrasts.z.dtype != torch.float64
    if factors is not None and single and contrasts.z.is_cuda:
        from supcon_ext.losses.fused import fused_available

        if fused_available(contrasts.z.device):
            return _fused(anchors, contrasts, factors, plan, temperature, form)
    if plain and not keys and plan.temperature is None and not _cancels(plan.log_same):
        if bound is None:
            with torch.no_grad():
                bound = float(contrasts.z.square().sum(1).max())
        if fits(bound, temperature):
            column, same = plan.log_column, plan.log_same
            problem = SymmetricProblem(
                factors=None if factors is None or factors.threshold is not None else factors,
                rule=rule,
                anchors=anchors.detached(),
                contrasts=contrasts.detached(),
                label=contrasts.label if plan.group is None else plan.group,
                column=None if column is None else column.detach().to(contrasts.z.dtype).exp(),
                same=None if same is None else same.detach().to(contrasts.z.dtype).expm1(),
                temperature=temperature,
                form=form,
                bound=bound,
                tile=tile or TILE,
            )
            return symmetric_anchor_losses(anchors.z, contrasts.z[len(anchors) :], problem)
    return tiled_anchor_losses(
        anchors,
        contrasts,
        rule,
        plan,
        temperature,
        form,
        tile or GENERAL_TILE,
        denominator,
        cap,
        neutral,
    )


def _cancels(log_same: Tensor | None) -> bool:
    """Whether ``exp(log_same) - 1`` would take most of a sum away again, and its digits with it."""
    return log_same is not None and bool((log_same < -2).any())


def _fused(
    anchors: Rows,
    contrasts: Rows,
    factors: Factors,
    plan: WeightPlan,
    temperature: float,
    form: Form,
) -> tuple[Tensor, Tensor]:
    from supcon_ext.losses.fused import fused_anchor_losses

    group = contrasts.label if plan.group is None else plan.group
    return fused_anchor_losses(
        anchors.z,
        contrasts.z,
        factors.rows(slice(0, len(anchors))),
        factors,
        anchors.uid,
        contrasts.uid,
        label_A=group[: len(anchors)],
        label_K=group,
        log_column=plan.log_column,
        log_same=plan.log_same,
        temperature=temperature if plan.temperature is None else plan.temperature,
        form=form,
    )
