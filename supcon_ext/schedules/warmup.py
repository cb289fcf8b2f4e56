"""Linear warm-up, the same for every schedule."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from supcon_ext.schedules.base import Factor
from supcon_ext.stage_epochs import StageEpochs

WarmupEpochs = Annotated[
    float,
    Field(ge=0, allow_inf_nan=False),
    StageEpochs("the learning rate stays below its full height", begins=False),
]
WarmupFrom = Annotated[float, Field(ge=0, le=1)]


def with_warmup(factor: Factor, warmup_epochs: float, warmup_from: float) -> Factor:
    """Let a schedule begin with a straight line up to what it gives after ``warmup_epochs``.

    The step is continuous where the warm-up ends.

    Args:
        factor: The schedule after the warm-up, as a function of the position in the whole stage.
        warmup_epochs: Length of the line in epochs, at least 0; 0 leaves the schedule as it is.
        warmup_from: Factor at the very first step, in [0, 1].

    Returns:
        The schedule with its warm-up. A stage that is shorter ends on the line.

    Raises:
        ValueError: An argument is out of bounds.
    """
    if not 0 <= warmup_epochs < math.inf:
        raise ValueError(
            "Expected a number of at least 0 of argument `warmup_epochs`, but got "
            f"{warmup_epochs}. Try: 0 for no warm-up."
        )
    if not 0 <= warmup_from <= 1:
        raise ValueError(
            f"Expected a number in [0, 1] of argument `warmup_from`, but got "
            f"{warmup_from}. Try: 0.01."
        )

    def warmed(position: float, epochs: float) -> float:
        if position >= warmup_epochs:
            return factor(position, epochs)
        peak = factor(warmup_epochs, epochs)
        return warmup_from + (peak - warmup_from) * position / warmup_epochs

    return warmed
