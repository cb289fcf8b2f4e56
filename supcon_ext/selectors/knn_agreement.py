"""MOIT's selection: whom the neighbours agree with, as many of each class."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from supcon_ext.selectors.agreement import (
    Interpolation,
    equal_number_per_class,
    two_round_agreement,
)
from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.per_class import warn_of_small_classes

FRACTION = {"min": 0.0, "median": 0.5, "max": 1.0}


@selector("knn_agreement")
class KnnAgreement(SampleSelector):
    """Keeps as many of each class, those whose neighbours agree (Ortego et al. 2021, MOIT).

    The neighbours vote twice, with the given labels and then with the labels of the first vote. The
    loss of a sample is -log of its label's share in the second. Each class keeps those of smallest
    loss, at most as many as the minimum, median or maximum over classes of how many agree; a class
    in which fewer agree is filled up with samples that do not. The score is minus the loss.

    The authors' code takes the lower of the two middle numbers for the median of an even number of
    classes: ``interpolation``. It counts classes without samples, and where no sample of a class
    agrees its ``min`` keeps none at all; here at least one of each is kept.

    Args:
        neighbours: K of the votes; more than there are other samples is brought down to them.
        per_class: Over the classes, the ``min``, ``median`` or ``max`` of how many agree.
        interpolation: The median of an even number of classes: ``linear``, halfway and rounded
            down, or ``lower`` (the code).
    """

    requires = frozenset({"z"})
    provides = frozenset({"posterior"})

    def __init__(
        self,
        neighbours: Annotated[int, Field(ge=1)] = 250,
        per_class: Literal["min", "median", "max"] = "median",
        interpolation: Interpolation = "linear",
    ) -> None:
        self.neighbours = neighbours
        self.per_class = per_class
        self.interpolation = interpolation

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Vote twice and keep the same number of each class."""
        warn_of_small_classes(bank.label, bank.classes, self.neighbours)
        found = two_round_agreement(bank.neighbours(self.neighbours), bank.label, bank.classes)
        kept = equal_number_per_class(
            found.loss,
            bank.label,
            bank.classes,
            found.agrees,
            FRACTION[self.per_class],
            self.interpolation,
        )
        stats = {
            "kept": float(kept.sum()),
            "agreement": float(found.agrees.float().mean()),
            "corrected": float((found.corrected != bank.label).sum()),
        }
        return Selection.of(bank.label, kept, stats, -found.loss, found.vote)
