"""Pictures that cannot be read, are too small, black, or of one colour."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from data_tools.bad_image import BadImageError
from supcon_ext.synthetic.filter import (
    FilterInput,
    FilterVerdict,
    SyntheticFilter,
    synthetic_filter,
)

UNREADABLE = "it cannot be read"


@synthetic_filter("readable", takes=("image", "vector"))
class Readable(SyntheticFilter):
    """Drops what cannot be read, is too small, black, or constant.

    Of vectors, it drops those with numbers that are not finite, and those that are all the same.

    Args:
        side: Fewest pixels of the shorter side.
        spread: Least standard deviation of a picture's pixels in [0, 1] units, below which it is
            constant; and the brightness below which all of a black one lies. The picture that a
            generator's safety checker leaves is black.
    """

    def __init__(
        self,
        side: Annotated[int, Field(ge=1, le=2**13)] = 8,
        spread: Annotated[float, Field(ge=0, le=1)] = 0.01,
    ) -> None:
        self.side = side
        self.spread = spread

    def judge(self, data: FilterInput) -> FilterVerdict:
        """Reads each sample once."""
        faults = [self._fault(data, place) for place in range(len(data.synthetic))]
        words = (UNREADABLE, self._small, "it is black", "it is constant", "it is not finite")
        found = {each: np.array([fault == each for fault in faults], dtype=bool) for each in words}
        return FilterVerdict.of([float(not fault) for fault in faults], found)

    @property
    def _small(self) -> str:
        return f"it is smaller than {self.side} pixels"

    def _fault(self, data: FilterInput, place: int) -> str:
        spec = data.synthetic.spec
        try:
            sample = np.asarray(data.synthetic[place])
        except BadImageError:
            return UNREADABLE
        if not np.isfinite(sample).all():
            return "it is not finite"
        if spec.kind == "vector":
            return "it is constant" if np.ptp(sample) == 0 else ""
        if min(sample.shape[:2]) < self.side:
            return self._small
        units = spec.units(sample, np.float64)
        if units.max() <= self.spread:
            return "it is black"
        # Each channel by itself: a plain red picture is constant, too.
        return "it is constant" if units.std(axis=(0, 1)).max() <= self.spread else ""
