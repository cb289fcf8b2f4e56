"""How many trusted contrasts each class has."""

from __future__ import annotations

import torch
from torch import Tensor

from supcon_ext.losses.rows import Rows, Source


def trusted_counts(contrasts: Rows, classes: int | None = None) -> Tensor | None:
    """``(C,)`` int64 contrasts of each class that are trusted above 0.5, without prototypes.

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
    counts = torch.zeros(classes, dtype=torch.int64, device=contrasts.z.device)
    return counts.index_add_(0, contrasts.label.clamp(min=0), counted.long())
