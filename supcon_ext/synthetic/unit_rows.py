"""Rows of length 1, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def unit_rows(x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """``(n, F)`` float64 rows divided by their length; a row of zeros stays one."""
    rows = x.astype(np.float64)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: npt.NDArray[np.float64] = rows / np.where(length > 0, length, 1.0)
    return scaled
