"""Half a cosine from the full learning rate down."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from supcon_ext.schedules.base import Factor, schedule
from supcon_ext.schedules.warmup import WarmupEpochs, WarmupFrom, with_warmup


@schedule("cosine")
def cosine(
    *,
    final: Annotated[float, Field(ge=0, le=1)] = 0.0,
    warmup_epochs: WarmupEpochs = 0.0,
    warmup_from: WarmupFrom = 0.01,
) -> Factor:
    """Half a cosine from 1 to ``final``, over the epochs after the warm-up.

    Source: Loshchilov and Hutter 2017, "SGDR", Eq. 5, one cycle, evaluated at every step.

    Args:
        final: Factor at the stage's end, in [0, 1]. Khosla et al. 2020's PyTorch code ends at
            0.001.
        warmup_epochs: Length of the linear warm-up in epochs, at least 0.
        warmup_from: Factor at the first step of the warm-up, in [0, 1].

    Raises:
        ValueError: An argument is out of bounds.
    """
    if not 0 <= final <= 1:
        raise ValueError(
            f"Expected a number in [0, 1] of argument `final`, but got {final}. Try: 0."
        )

    def factor(position: float, epochs: float) -> float:
        rest = epochs - warmup_epochs
        progress = min((position - warmup_epochs) / rest, 1.0) if rest > 0 else 0.0
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress))

    return with_warmup(factor, warmup_epochs, warmup_from)
