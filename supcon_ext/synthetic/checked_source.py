"""Sources that read what others made: every row looked at, everything wrong told at once.

Letters: M rows.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from data_tools.input_spec import InputSpec
from data_tools.prepared import PreparedData
from data_tools.samples import IntArray, SampleSequence
from data_tools.synthetic_set import SyntheticSet
from supcon_ext.synthetic.defect import KINDS, Defect, Fate
from supcon_ext.synthetic.judging import (
    judge_captions,
    judge_classes,
    judge_copies,
    judge_parents,
    judge_quality,
)
from supcon_ext.synthetic.listing import Listing
from supcon_ext.synthetic.parents import Parents
from supcon_ext.synthetic.real_digests import Sides, real_digests
from supcon_ext.synthetic.report import RefusedSourceError, SyntheticReport
from supcon_ext.synthetic.source import Inspected, Progress, SyntheticSource, report_of

_FATES: dict[str, Fate] = {"error": "refused", "skip": "left out", "warn": "told"}


class Look(NamedTuple):
    """What a sample shows.

    Attributes:
        views: Digests of its views; none where it cannot be read.
        sides: Heights and widths that an image may have as it is read; none of a vector.
    """

    views: tuple[str, ...] = ()
    sides: frozenset[Sides] = frozenset()


@dataclass(kw_only=True, eq=False)
class CheckedSource(SyntheticSource):
    """A list of samples that are there already.

    Args:
        unknown_classes: What a class that the real data set has not does: ``error`` refuses the
            source, ``skip`` leaves the sample out.
        unknown_parents: The same of a parent that is no training sample, or that imbalance left
            out. A parent in validation or test is always refused.
        leaks: The same of a copy of a validation or test sample.
        duplicates: What is done about copies of training samples, and about equal samples of one
            caption or class: ``warn``, ``error``, or ``ignore``, which does not look for them.
    """

    unknown_classes: Literal["error", "skip"] = "error"
    unknown_parents: Literal["error", "skip"] = "error"
    leaks: Literal["error", "skip"] = "error"
    duplicates: Literal["warn", "error", "ignore"] = "warn"

    @abstractmethod
    def listing(self, real: PreparedData) -> Listing:
        """What the source names.

        Raises:
            ValueError: A file of the source cannot be understood. The message says where.
            FileNotFoundError: It is not there.
        """

    @abstractmethod
    def look(self, listing: Listing, real: PreparedData, progress: Progress | None) -> list[Look]:
        """Open what is named: M looks. What is wrong is added to the listing."""

    @abstractmethod
    def samples(
        self, listing: Listing, looks: Sequence[Look], kept: IntArray, real: PreparedData
    ) -> tuple[SampleSequence, InputSpec]:
        """The samples at the ``(n,)`` places ``kept``, and what they are."""

    def make(self, real: PreparedData, seed: int, progress: Progress | None = None) -> SyntheticSet:
        """The samples that can be used.

        Raises:
            RefusedSourceError: Something was found that the rules refuse: all of it is told.
            ValueError: A file of the source cannot be understood.
        """
        made, report = self.inspect(real, seed, progress)
        if made is None:
            raise RefusedSourceError([report])
        return made

    def inspect(self, real: PreparedData, seed: int, progress: Progress | None = None) -> Inspected:
        """The samples that can be used, if the rules refuse nothing, and all that was found."""
        listing = self.listing(real)
        rows, defects, train = listing.rows, listing.defects, real.train
        looks = self.look(listing, real, progress)
        label = judge_classes(rows, train.classes, defects)
        parent = judge_parents(rows, Parents(real), defects)
        quality = judge_quality(rows, defects)
        within = self.duplicates != "ignore"
        sides = None if train.spec.kind == "vector" else {s for look in looks for s in look.sides}
        copies = real_digests(real, sides, within, progress)
        judge_copies(rows, [look.views for look in looks], copies, within, defects)
        kept = self._kept(len(rows), defects)
        judge_captions(rows, kept, defects)
        if not kept.any():
            what = f"none of its {len(rows):,} samples can be used"
            defects.append(Defect("nothing", "", what))
        report = SyntheticReport(
            listing.name, len(rows), int(kept.sum()), defects=_ordered(defects)
        )
        report.fates = {defect.kind: self.fate(defect.kind) for defect in report.defects}
        if report.refused:
            return Inspected(None, report)
        index = np.flatnonzero(kept)
        samples, spec = self.samples(listing, looks, index, real)
        made = SyntheticSet.of(
            samples,
            spec,
            train.classes,
            label=label[index],
            captions=[rows[place].caption for place in index],
            parent=parent[index],
            quality=quality[index],
            columns={name: column[index] for name, column in listing.columns.items()},
        )
        counted = report_of(listing.name, len(rows), made)
        counted.defects, counted.fates = report.defects, report.fates
        return Inspected(made, counted)

    def fate(self, kind: str) -> Fate:
        """What is done about a kind of defects."""
        rule = KINDS[kind].rule
        return _FATES.get(getattr(self, rule, ""), cast(Fate, rule))

    def _kept(self, count: int, defects: Sequence[Defect]) -> npt.NDArray[np.bool_]:
        kept = np.ones(count, dtype=bool)
        for defect in defects:
            if defect.row >= 0 and self.fate(defect.kind) != "told":
                kept[defect.row] = False
        return kept


def _ordered(defects: Sequence[Defect]) -> list[Defect]:
    """By kind, in the order of reports."""
    order = {kind: place for place, kind in enumerate(KINDS)}
    return sorted(defects, key=lambda defect: order[defect.kind])
