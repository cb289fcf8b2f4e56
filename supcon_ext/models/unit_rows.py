"""Rows scaled to norm 1."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def unit_rows(rows: Tensor) -> Tensor:
    """Rows scaled to L2 norm 1, in float32 or wider even under autocast; a zero row stays zero.

    Args:
        rows: ``(N, D)`` of any float dtype.
    """
    wide = rows.to(torch.promote_types(rows.dtype, torch.float32))
    return functional.normalize(wide, dim=1)
