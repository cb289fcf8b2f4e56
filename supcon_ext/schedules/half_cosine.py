"""Half a cosine from one number to another."""

from __future__ import annotations

import math


def half_cosine(start: float, end: float, progress: float) -> float:
    """The number at a share of the way in [0, 1]: ``start`` at 0, ``end`` at 1."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
