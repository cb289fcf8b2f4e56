"""How far a sample lies from the centre of its real class, measured by the real samples."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from supcon_ext.synthetic.filter import (
    NO_CLASS,
    NO_REAL,
    FilterInput,
    FilterVerdict,
    SyntheticFilter,
    synthetic_filter,
)
from supcon_ext.synthetic.unit_rows import unit_rows

FEWEST = 20
"""Real samples of a class that quantiles of its own are taken of: 5 % of fewer is no sample."""


@synthetic_filter("centroid_distance", takes=("image", "vector"))
class CentroidDistance(SyntheticFilter):
    """Keeps samples that are as near to the centre of their class as real ones are.

    The cosine of a sample to the mean of its class's trusted real samples must lie between two
    quantiles of the cosines of the real ones, each to the mean of the others, since a synthetic
    sample is not part of that mean either. Nearer is no better: samples that all look like the mean
    teach nothing. A class with fewer than 20 trusted samples takes the quantiles of all classes
    together. The score is 1 between the quantiles and falls to 0 at their distance beyond.

    Args:
        low: The lower quantile.
        high: The upper one.
        encoder: A finished run or ``timm:NAME`` that features are made by; null for what the whole
            chain uses: pixels, if nothing else is said.
    """

    requires = frozenset({"class"})

    def __init__(
        self,
        low: Annotated[float, Field(ge=0, le=1)] = 0.05,
        high: Annotated[float, Field(ge=0, le=1)] = 0.95,
        encoder: str | None = None,
    ) -> None:
        if low >= high:
            raise ValueError(f"Expected `low` below `high`, but got {low:g} and {high:g}.")
        self.low = low
        self.high = high
        self.encoder = encoder

    def judge(self, data: FilterInput) -> FilterVerdict:
        """Each sample's cosine, in the band of its class."""
        features, label = data.features(self.encoder), data.synthetic.label
        real, counts = unit_rows(features.real), data.real.counts
        sums = np.zeros((len(counts), real.shape[1]))
        np.add.at(sums, features.label, real)
        others = unit_rows(sums[features.label] - real)
        alone = counts[features.label] < 2  # nothing is left to be near to
        among = np.where(alone, np.nan, (real * others).sum(1))
        own = np.where(label < 0, 0, label)
        cosine = (unit_rows(features.synthetic) * unit_rows(sums)[own]).sum(1)
        bands = self._bands(among, features.label, counts)
        low, high = bands[own].T
        gap = np.maximum(low - cosine, cosine - high).clip(0)
        known = (label >= 0) & (counts[own] > 0)
        score = np.where(known, 1 - gap / np.maximum(high - low, 1e-9), 0).clip(0, 1)
        return FilterVerdict.of(
            score,
            {
                NO_CLASS: label < 0,
                NO_REAL: ~known,
                f"it is farther from its class than {1 - self.low:.0%} of real samples": cosine
                < low,
                f"it is nearer to its class than {self.high:.0%} of real samples": cosine > high,
            },
        )

    def _bands(
        self,
        cosine: npt.NDArray[np.float64],
        label: npt.NDArray[np.int64],
        counts: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.float64]:
        """``(C, 2)`` quantiles of each class."""
        known = np.isfinite(cosine)
        if not known.any():
            raise ValueError(
                "Expected a class with two trusted real samples for filter `centroid_distance`, "
                "but got none."
            )
        sides = (self.low, self.high)
        bands = np.tile(np.quantile(cosine[known], sides), (len(counts), 1))
        for each in np.flatnonzero(counts >= FEWEST):
            bands[each] = np.quantile(cosine[label == each], sides)
        return bands
