"""The real samples that filters are fitted on: those of training, and of them the trusted ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_tools.datasets.base import Splits
from data_tools.prepared import PreparedData
from data_tools.samples import IntArray, SampleSet
from data_tools.training_set import real_count

TRUSTED_ABOVE = 0.5


@dataclass(frozen=True)
class RealTraining:
    """Real training samples. :meth:`of` makes it of a data set, and takes no other split.

    Attributes:
        samples: N real training samples with their given labels.
        trusted: ``(N,)`` bool, whose labels are believed.
    """

    samples: SampleSet
    trusted: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        count = len(self.samples)
        if real_count(self.samples) != count:
            raise ValueError("Expected real samples alone, but got a set with synthetic ones.")
        if self.trusted.shape != (count,):
            raise ValueError(
                f"Expected a trust of each of the {count} real training samples, but got "
                f"{len(self.trusted)}."
            )
        if not self.trusted.any():
            raise ValueError(
                "Expected trusted real training samples to measure synthetic ones by, but none is "
                "trusted."
            )

    @staticmethod
    def of(data: PreparedData | Splits, trust: npt.ArrayLike | None = None) -> RealTraining:
        """The training samples of a data set; those trusted above 0.5 are fitted on.

        Args:
            data: Whose training samples; validation and test are not looked at.
            trust: ``(N,)`` numbers in [0, 1], as a selection gives them; None trusts all.

        Raises:
            ValueError: No sample is trusted, or not every one has a trust.
        """
        train = data.train
        if trust is None:
            return RealTraining(train, np.ones(len(train), dtype=bool))
        return RealTraining(train, np.asarray(trust, dtype=np.float64) > TRUSTED_ABOVE)

    @property
    def index(self) -> IntArray:
        """``(n,)`` int64 places of the trusted samples."""
        return np.flatnonzero(self.trusted)

    @property
    def label(self) -> IntArray:
        """``(n,)`` int64 classes of the trusted samples."""
        return self.samples.label[self.index]

    @property
    def counts(self) -> IntArray:
        """``(C,)`` int64 trusted samples of each class."""
        return np.bincount(self.label, minlength=len(self.samples.classes))
