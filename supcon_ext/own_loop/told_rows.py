"""What a loop tells of training samples, checked: numbers, places, rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def whole_numbers(values: Any, name: str, count: int | None = None) -> Tensor:
    """``(n,)`` int64 on the CPU.

    Raises:
        ValueError: They are none.
    """
    try:
        found = torch.as_tensor(np.asarray(values) if isinstance(values, list) else values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"Expected whole numbers (n,) of argument `{name}`: {error}") from error
    wrong = found.ndim != 1 or found.is_floating_point() or found.is_complex() or not len(found)
    if wrong or count not in (None, len(found)):
        more = "" if count is None else f" of length {count}"
        raise ValueError(
            f"Expected whole numbers (n,){more} of argument `{name}`, but got {found.dtype} "
            f"{tuple(found.shape)}. Try: the numbers of the classes or samples, from 0"
        )
    return found.detach().cpu().long()


def in_order(name: str, rows: Tensor, index: Any, count: int) -> Tensor:
    """Rows of all training samples, float32 on the CPU, in the order of the training set.

    Args:
        name: What they are, for the message.
        rows: ``(count, ...)``.
        index: ``(count,)`` places that they are of; None: they are in order.
        count: N.

    Raises:
        ValueError: There are others.
    """
    if not isinstance(rows, Tensor) or rows.ndim != 2 or len(rows) != count:
        raise ValueError(
            f"Expected `{name}` of shape ({count}, ...), a row for each training sample, but "
            f"got {tuple(getattr(rows, 'shape', ())) or type(rows).__name__}."
        )
    rows = rows.detach().float().cpu()
    if index is None:
        return rows
    place = whole_numbers(index, "index")
    order = place.argsort()
    if len(place) != count or not bool((place[order] == torch.arange(count)).all()):
        raise ValueError(
            f"Expected each of the {count} places of the training set once in `index`, but "
            "got others. Try: a loader that leaves none out (drop_last=False)"
        )
    return rows[order]
