"""Whether the nearest real samples are of the same class."""

from __future__ import annotations

from typing import Annotated

import numpy as np
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

CHUNK = 256
SAME = 1e-6
"""Cosines that differ by less are equal, so that equal neighbours count together."""


@synthetic_filter("knn_agreement", takes=("image", "vector"))
class KnnAgreementFilter(SyntheticFilter):
    """Keeps samples whose nearest real training samples are of their class.

    The score is the share of the nearest by cosine, among the trusted, that have the sample's
    class. A class with fewer than ``k`` trusted samples is asked for as many neighbours as it has,
    so that a rare class can be agreed with in full; neighbours as near as the last one count too.

    Args:
        k: Neighbours.
        at_least: Smallest share that is kept.
        encoder: A finished run or ``timm:NAME`` that features are made by; null for what the whole
            chain uses: pixels, if nothing else is said.
    """

    requires = frozenset({"class"})

    def __init__(
        self,
        k: Annotated[int, Field(ge=1, le=10_000)] = 10,
        at_least: Annotated[float, Field(ge=0, le=1)] = 0.5,
        encoder: str | None = None,
    ) -> None:
        self.k = k
        self.at_least = at_least
        self.encoder = encoder

    def judge(self, data: FilterInput) -> FilterVerdict:
        """The vote of the neighbours."""
        label, counts = data.synthetic.label, data.real.counts
        wanted = np.where(label >= 0, np.minimum(self.k, counts[label]), 0)
        score = np.zeros(len(label), dtype=np.float32)
        features = data.features(self.encoder)
        synthetic, real = unit_rows(features.synthetic), unit_rows(features.real)
        most = int(wanted.max())
        for start in range(0, len(label), CHUNK):
            rows = np.arange(start, min(start + CHUNK, len(label)))
            rows = rows[wanted[rows] > 0]
            if not len(rows):
                continue
            cosine = synthetic[rows] @ real.T
            nearest = np.sort(np.partition(cosine, -most, axis=1)[:, -most:], axis=1)
            last = nearest[np.arange(len(rows)), most - wanted[rows]]
            near = cosine >= last[:, None] - SAME
            agreeing = near & (features.label[None, :] == label[rows, None])
            score[rows] = agreeing.sum(1) / near.sum(1)
        few = f"fewer than {self.at_least:g} of its nearest real samples are of its class"
        return FilterVerdict.of(
            score,
            {
                NO_CLASS: label < 0,
                NO_REAL: wanted == 0,
                few: score < np.float32(self.at_least),
            },
        )
