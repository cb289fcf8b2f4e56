"""The contract of schedules."""

from __future__ import annotations

import math
from collections.abc import Callable

from supcon_ext.schedules.base import Factor
from supcon_ext.testing.contract import Contract

CONTRACT = Contract("schedule")
EPOCHS = 12.0


def check_schedule(schedule: Callable[[], Factor]) -> None:
    """Check that a schedule keeps the contract that the trainer and a resumed run rely on.

    A finite factor of at least 0 at every place of a stage of twelve epochs, which follows from the
    place alone: asked in any order, from any instance.

    Args:
        schedule: Makes the schedule's factor; a recipe's parameters are filled in.

    Raises:
        AssertionError: The contract is broken; the message says where, and what to do.
    """
    places = [EPOCHS * part / 40 for part in range(41)]
    draws = "nothing: a factor follows from the place in the stage"
    with CONTRACT.world(0, draws):
        factor = schedule()
        forward = [factor(place, EPOCHS) for place in places]
    with CONTRACT.world(1, draws):
        other = schedule()
        backward = [other(place, EPOCHS) for place in reversed(places)][::-1]
    for place, value in zip(places, forward, strict=True):
        CONTRACT.expect(
            isinstance(value, (int, float)) and math.isfinite(value) and value >= 0,
            f"a factor must be a finite number of at least 0, but is {value!r} at epoch {place}",
        )
    CONTRACT.expect(
        forward == backward,
        "a factor must follow from the place in the stage alone, since a resumed run asks a fresh "
        "instance in the middle. Try: count nothing",
    )
