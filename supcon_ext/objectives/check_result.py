"""What a term returns for a batch, looked at before it is summed."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from data_tools.border import check_array, check_type, refuse
from data_tools.registry import part_name


def check_result(term: Any, result: Any, wanted: type) -> None:
    """Refuse what is no loss of one batch.

    Args:
        term: Made it.
        result: What it returned.
        wanted: :class:`~supcon_ext.objectives.base.TermResult`.

    Raises:
        ValueError: It is something else, the loss is no scalar, or a number to log is none.
    """
    name = part_name("term", term)
    check_type(name, "the result", result, wanted, "TermResult(loss)")
    check_array(name, "a loss", result.loss, (), ("float",))
    for key, value in result.stats.items():
        if not isinstance(value, Tensor) or value.ndim:
            got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else str(type(value))
            raise refuse(name, f"a scalar tensor of the number `{key}`", got)
        if value.requires_grad:
            raise refuse(name, f"the number `{key}` without gradient", "one", "value.detach()")
