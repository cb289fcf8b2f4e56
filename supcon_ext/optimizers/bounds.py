"""Numbers that no optimiser can work with."""

from __future__ import annotations

import math


def check_bounds(*, lr: float, **averages: float) -> None:
    """Refuse impossible numbers.

    Args:
        lr: Learning rate, above 0 and finite.
        averages: Coefficients of moving averages (momentum, decay, betas), in [0, 1).

    Raises:
        ValueError: A number is out of bounds or NaN.
    """
    if not 0 < lr < math.inf:
        raise ValueError(f"Expected a positive number of argument `lr`, but got {lr}. Try: 0.1.")
    for name, value in averages.items():
        if not 0 <= value < 1:
            raise ValueError(
                f"Expected a number in [0, 1) of argument `{name}`, but got {value}. Try: 0.9."
            )
