"""Pictures of floats looked through: what cannot be read as [0, 1] is refused."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import numpy.typing as npt

logger = logging.getLogger(__name__)


class FloatRange:
    """What has been seen of the floats of a set of pictures, block after block.

    Args:
        where: What they are, for messages.
        scale: The value that stands for 1; None where floats must be in [0, 1].
    """

    def __init__(self, where: str, scale: float | None) -> None:
        self.where = where
        self.scale = scale
        self.low, self.high = np.inf, -np.inf
        self.outside = 0

    def see(self, block: npt.NDArray[Any], start: int) -> None:
        """Look at pictures ``(n, ...)``, the first of which is number ``start``.

        Raises:
            ValueError: One has NaN or infinity.
        """
        finite = np.isfinite(block).reshape(len(block), -1).all(axis=1)
        if not finite.all():
            number = start + int(np.flatnonzero(~finite)[0])
            raise ValueError(
                f"Expected finite numbers in {self.where}, but image {number} has nan or inf. "
                "Try: np.nan_to_num(x), or leave the image out."
            )
        self.low, self.high = min(self.low, float(block.min())), max(self.high, float(block.max()))
        self.outside += int(((block < 0) | (block > (self.scale or 1))).sum())

    def settle(self) -> None:
        """Refuse floats of which nothing says what they mean, once all were seen.

        Raises:
            ValueError: Some are outside of [0, 1], and there is no scale.
        """
        if self.outside and self.scale is None:
            raise ValueError(
                f"Expected floats in [0, 1] in {self.where}, but got {self.low:.4g} to "
                f"{self.high:.4g}. Try: `scale`, the value that stands for 1."
            )
        if self.outside:
            logger.warning(
                "%s: %d floats outside of 0 to %g are cut off",
                self.where,
                self.outside,
                self.scale,
            )
