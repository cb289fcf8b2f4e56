"""The learning rate as it is."""

from __future__ import annotations

from supcon_ext.schedules.base import Factor, schedule
from supcon_ext.schedules.warmup import WarmupEpochs, WarmupFrom, with_warmup


@schedule("constant")
def constant(*, warmup_epochs: WarmupEpochs = 0.0, warmup_from: WarmupFrom = 0.01) -> Factor:
    """The same learning rate throughout, after the warm-up.

    Args:
        warmup_epochs: Length of the linear warm-up in epochs, at least 0.
        warmup_from: Factor at the first step of the warm-up, in [0, 1].

    Raises:
        ValueError: An argument is out of bounds.
    """
    return with_warmup(lambda position, epochs: 1.0, warmup_epochs, warmup_from)
