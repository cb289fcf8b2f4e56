"""The check that every numeric argument of this package goes through."""

from __future__ import annotations

import math


def check_between(name: str, value: float, low: float, high: float, hint: str) -> None:
    """Refuse a number outside ``[low, high]``.

    Args:
        name: Name of the argument, for the message.
        value: What was given.
        low: Smallest value allowed.
        high: Largest value allowed; infinity for no bound.
        hint: What to try instead, for the message.

    Raises:
        ValueError: ``value`` is outside the bounds or not a number.
    """
    if not low <= value <= high:
        bounds = f"of at least {low:g}" if math.isinf(high) else f"in [{low:g}, {high:g}]"
        raise ValueError(
            f"Expected a number {bounds} of argument `{name}`, but got {value}. Try: {hint}."
        )
