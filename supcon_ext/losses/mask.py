"""Positives from a matrix of the user's own."""

from __future__ import annotations

import torch
from torch import Tensor

from supcon_ext.losses.arguments import one_of, shown
from supcon_ext.losses.rows import PairTile


class MaskRule:
    """Targets read from a matrix.

    Args:
        mask: ``(n, n)``, bool or float >= 0; may be asymmetric. Row i says what the anchor takes
            for positives.
        by: ``index``: rows and columns are samples, all views of a sample alike. The diagonal says
            whether the other views of a sample are its positives. ``uid``: rows and columns are the
            rows of the batch.

    Raises:
        ValueError: The mask is not square, or holds negative or infinite values.
    """

    def __init__(self, mask: Tensor, by: str = "index") -> None:
        if not isinstance(mask, Tensor) or mask.ndim != 2 or mask.shape[0] != mask.shape[1]:
            raise ValueError(
                f"Expected a square tensor as argument `mask`, but got {shown(mask)}. "
                "Try: labels[:, None] == labels[None, :]"
            )
        one_of("by", by, ("index", "uid"))
        if mask.dtype != torch.bool and not bool(((mask >= 0) & mask.isfinite()).all()):
            raise ValueError(
                "Expected a `mask` of finite values of at least 0, but got others. Try: mask > 0"
            )
        self.mask = mask
        self.by = by

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)``; rows outside the matrix (queue, prototypes) are no positives."""
        row, column = pairs.anchors.column(self.by), pairs.contrasts.column(self.by)
        inside = (column >= 0) & (column < len(self.mask))
        found = self.mask[row][:, column.clamp(0, len(self.mask) - 1)]
        return found * inside[None, :]
