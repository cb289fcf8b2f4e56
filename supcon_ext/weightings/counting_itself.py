"""BCL's formula as its paper prints it: the anchor stands in its own class's sum and count.

The pair of a row with itself never enters the loss's denominator. Its similarity is 1 whatever the
embedding, so a further contrast at the origin, whose similarity to every anchor is 0, stands for
it: with log weight ``1 / tau`` plus that of the anchor's class it adds what the pair would, and
like the pair it has no gradient on the sphere.
"""

from __future__ import annotations

import torch

from supcon_ext.losses.rows import Rows, Source, WeightPlan


def origin_row(like: Rows, uid: int) -> Rows:
    """One contrast at the origin that is no sample, of no class, and trusted by none.

    Args:
        like: The batch, whose further columns it has with nothing in them.
        uid: Negative, of no other row.
    """
    z = torch.zeros_like(like.z[:1])
    unknown = torch.full((1,), -1, device=z.device)
    return Rows.of(
        z,
        unknown,
        index=unknown,
        uid=torch.full_like(unknown, uid),
        source=Source.PROTOTYPE,
        trust=torch.zeros(1, device=z.device),
        columns={name: torch.zeros_like(column[:1]) for name, column in like.columns.items()},
    )


def counting_itself(plan: WeightPlan, anchors: Rows, temperature: float) -> WeightPlan:
    """The plan for these contrasts and, after them, the one at the origin.

    Args:
        plan: Of K contrasts without the last: ``log_column``, ``group``.
        anchors: A rows of unit norm.
        temperature: tau of the loss.

    Returns:
        Weights of K + 1 contrasts, the same for an anchor of any class.

    Raises:
        ValueError: The plan lacks a part.
    """
    if plan.log_column is None or plan.group is None:
        raise ValueError("Expected a plan with `log_column` and `group`, but one of them is None")
    weight = plan.log_column.exp()
    size = len(anchors)
    own = torch.where(plan.group[:size] >= 0, weight[:size], 0.0)
    row = torch.ones(len(weight) + 1, 2, dtype=weight.dtype, device=weight.device)
    row[:size, 0] = own
    column = torch.zeros_like(row)
    column[:-1, 1] = weight
    column[-1, 0] = 1.0
    log_column = torch.zeros_like(row[:, 0])
    log_column[-1] = 1 / temperature
    return WeightPlan(anchor=plan.anchor, log_column=log_column, table=(row, column))
