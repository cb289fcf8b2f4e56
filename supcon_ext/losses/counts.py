"""How many trusted contrasts each class has."""

from __future__ import annotations

import torch
from torch import Tensor

from supcon_ext.losses.rows import Rows, Source


def trusted_counts(contrasts: Rows, classes: int | None = None) -> Tensor | None:
    """``(C,)`` contrasts of each class that are trusted above 0.5, without prototypes.

    Int64; where rows carry a ``quality``, that of synthetic samples, each counts as much as it has,
    in float32.

    Args:
        contrasts: K rows, views and queue of the global batch.
        classes: C; None takes the largest label's.

    Returns:
        The counts; None if C is not told and no label is known.
    """
    sample = contrasts.source != Source.PROTOTYPE
    counted = sample & (contrasts.label >= 0) & (contrasts.trust > 0.5)
    if classes is None:
        classes = int(contrasts.label.max()) + 1
        if classes < 1:
            return None
    mass = counted.long() if "quality" not in contrasts.columns else counted * quality(contrasts)
    counts = torch.zeros(classes, dtype=mass.dtype, device=contrasts.z.device)
    return counts.index_add_(0, contrasts.label.clamp(min=0), mass)


def quality(contrasts: Rows) -> Tensor:
    """``(K,)`` float32 in [0, 1], how good each synthetic row is; 1 of all others."""
    known = contrasts.columns.get("quality")
    if known is None:
        return torch.ones(len(contrasts), device=contrasts.z.device)
    return torch.where(contrasts.source == Source.SYNTHETIC, known.float(), 1.0)
