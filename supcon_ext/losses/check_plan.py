"""What a weighting returns, looked at before the loss uses it."""

from __future__ import annotations

from typing import Any

from data_tools.border import check_array, check_type, refuse
from data_tools.registry import part_name
from supcon_ext.losses.rows import PairWeights, Rows, WeightPlan

FLOATS = ("float",)


def checked_columns(weighting: PairWeights, made: Any, batch: Rows) -> Rows | None:
    """The extra contrasts of a weighting.

    Args:
        weighting: Made them.
        made: What it returned.
        batch: The rows beside which they stand.

    Raises:
        ValueError: They are no rows that fit, or one has the ``uid`` of a batch's row.
    """
    if made is None:
        return None
    name = part_name("weighting", weighting)
    check_type(name, "extra contrasts", made, Rows, "Rows.of(z, label, uid=...)")
    check_array(name, "extra contrasts", made.z, (None, batch.z.shape[1]), FLOATS)
    for column in ("label", "index", "uid", "source", "trust"):
        check_array(name, f"`{column}` of extra contrasts", getattr(made, column), (len(made),))
    if bool((made.uid >= 0).any()):
        raise refuse(
            name,
            "extra contrasts of negative `uid`",
            f"{int(made.uid.max())}, which may be a row of the batch",
            "uid=-1 - torch.arange(n)",
        )
    rows: Rows = made
    return rows


def check_plan(weighting: PairWeights, plan: Any, anchors: int, contrasts: int) -> None:
    """Refuse weights that do not fit the pairs they are for.

    Args:
        weighting: Made the plan.
        plan: What it returned.
        anchors: A.
        contrasts: K.

    Raises:
        ValueError: It is no plan, or a vector has another shape or type.
    """
    name = part_name("weighting", weighting)
    check_type(name, "the plan", plan, WeightPlan, "WeightPlan(anchor=...)")
    for field, words, rows, kinds in (
        ("anchor", "anchor weights", anchors, ("float", "int", "bool")),
        ("log_column", "log weights of the contrasts", contrasts, FLOATS),
        ("log_same", "log weights of the own class", anchors, FLOATS),
        ("temperature", "temperatures of the anchors", anchors, FLOATS),
        ("group", "groups of the contrasts", contrasts, ("int",)),
        ("target_own", "factors on own views", anchors, FLOATS),
        ("target_column", "factors on the contrasts' targets", contrasts, FLOATS),
    ):
        value = getattr(plan, field)
        if value is not None:
            check_array(name, words, value, (rows,), kinds)
    if plan.table is not None:
        if not isinstance(plan.table, tuple) or len(plan.table) != 2:
            raise refuse(name, "a table of rows and columns", type(plan.table).__name__)
        row, column = plan.table
        check_array(name, "rows of the table", row, (contrasts, None), FLOATS)
        check_array(name, "columns of the table", column, (contrasts, row.shape[1]), FLOATS)
