"""How many samples of each class an audit doubts, and how many corrections leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from supcon_ext.audit.settled import Settled
from supcon_ext.audit.table import AuditTable

DOUBTED = 0.5
"""Share of a class above which the class itself is in doubt, and not some of its labels."""
FEWEST = 5
"""Labels that look right, below which nothing can be said of a class."""


@dataclass(frozen=True)
class ClassSize:
    """A class before an audit, and after.

    Attributes:
        name: The class.
        before: Samples with its label.
        flagged: How many of them look wrong.
        after: Samples with its label once corrections are made; None where none are.
    """

    name: str
    before: int
    flagged: int
    after: int | None = None

    @property
    def in_doubt(self) -> bool:
        """Whether more than half of its labels look wrong, or fewer than five look right."""
        return self.flagged > DOUBTED * self.before or self.before - self.flagged < FEWEST

    @property
    def halved(self) -> bool:
        """Whether corrections take half of it away or more."""
        return self.after is not None and self.before > 0 and 2 * self.after <= self.before


Allow = Callable[[Sequence[ClassSize]], None]
"""Told of classes that would be halved before anything is written; raises what stops it."""


def class_sizes(table: AuditTable, settled: Settled | None = None) -> list[ClassSize]:
    """Every class of the samples that are listed.

    Args:
        table: The audit.
        settled: The labels that come of it, or None.
    """
    samples, listed = table.samples, np.array(table.listed)
    count, flagged = len(samples.classes), table.verdict.flagged.numpy()
    before = np.bincount(samples.label[listed], minlength=count)
    doubted = np.bincount(samples.label[listed & flagged], minlength=count)
    after: list[int | None] = [None] * count
    if settled is not None:
        left = listed & ~settled.unusable
        after = [*np.bincount(settled.label[left], minlength=count).tolist()]
    return [
        ClassSize(name, int(before[i]), int(doubted[i]), after[i])
        for i, name in enumerate(samples.classes)
    ]
