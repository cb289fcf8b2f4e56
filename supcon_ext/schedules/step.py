"""The learning rate falls by a factor at given epochs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from supcon_ext.schedules.base import Factor, schedule
from supcon_ext.schedules.warmup import WarmupEpochs, WarmupFrom, with_warmup
from supcon_ext.stage_epochs import StageEpochs


@schedule("step")
def step(
    *,
    milestones: Annotated[
        Sequence[Annotated[float, Field(gt=0, allow_inf_nan=False)]],
        Field(min_length=1),
        StageEpochs("the learning rate falls less often"),
    ],
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1,
    warmup_epochs: WarmupEpochs = 0.0,
    warmup_from: WarmupFrom = 0.01,
) -> Factor:
    """Multiply by ``gamma`` at each milestone.

    Args:
        milestones: Epochs, counted from the stage's start with the warm-up included, rising; with
            160, epochs 0 to 159 still have the higher rate.
        gamma: In (0, 1].
        warmup_epochs: Length of the linear warm-up in epochs, at least 0.
        warmup_from: Factor at the first step of the warm-up, in [0, 1].

    Raises:
        ValueError: An argument is out of bounds, or the milestones do not rise.
    """
    if not milestones or not all(a < b for a, b in pairwise([0, *milestones])):
        raise ValueError(
            f"Expected rising positive epochs of argument `milestones`, but got "
            f"{list(milestones)}. Try: [160, 180]."
        )
    if not 0 < gamma <= 1:
        raise ValueError(
            f"Expected a number in (0, 1] of argument `gamma`, but got {gamma}. Try: 0.1."
        )

    def factor(position: float, epochs: float) -> float:
        return float(gamma ** sum(position >= milestone for milestone in milestones))

    return with_warmup(factor, warmup_epochs, warmup_from)
