"""The margin of the given label: by how much its value is above that of every other class."""

from __future__ import annotations

import torch
from torch import Tensor


def label_margin(values: Tensor, label: Tensor) -> Tensor:
    """Value of the given label less the largest of the other classes.

    Args:
        values: ``(N, C)`` float, such as logits or probabilities; C >= 2.
        label: ``(N,)`` int64 in ``[0, C)``.

    Returns:
        ``(N,)`` float; positive where the given label has the largest value.

    Raises:
        ValueError: There is no other class.
    """
    if values.shape[1] < 2:
        raise ValueError(
            f"Expected at least 2 columns of argument `values`, but got {values.shape[1]}. "
            "Try: a data set of two classes or more"
        )
    own = label[:, None]
    other = values.scatter(1, own, -torch.inf).amax(1)
    return values.gather(1, own)[:, 0] - other
