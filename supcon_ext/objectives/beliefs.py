"""What is believed of every training sample now: labels, trust and roles of the moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from supcon_ext.losses.rows import Source


@dataclass(slots=True)
class Beliefs:
    """What is believed of every training sample now, in data set order.

    Attributes:
        label: ``(N,)`` int64 working label.
        trust: ``(N,)`` float32 in [0, 1].
        role: ``(N,)`` int8.
        columns: Further columns of the data set that are numbers.
        posterior: ``(N, C)`` float32 P(true class), or None.
        source: ``(N,)`` int8, a :class:`~supcon_ext.losses.rows.Source`; None where all are real.
    """

    label: Tensor
    trust: Tensor
    role: Tensor
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    posterior: Tensor | None = None
    source: Tensor | None = None
    _counted: tuple[Tensor, Tensor] | None = field(default=None, init=False, repr=False)
    _counts: dict[tuple[int, Source | None], Tensor] = field(
        default_factory=dict, init=False, repr=False
    )

    def trusted_counts(self, classes: int, source: Source | None = None) -> Tensor:
        """``(C,)`` int64 samples of each working label that are trusted above 0.5.

        Counted once for each label and trust that the samples are given.

        Args:
            classes: C.
            source: Counts the samples of one source; None counts all.
        """
        known = self._counted
        if known is None or known[0] is not self.label or known[1] is not self.trust:
            self._counted = self.label, self.trust
            self._counts = {}
        if (classes, source) not in self._counts:
            counted = (self.label >= 0) & (self.trust > 0.5)
            if source is not None:
                counted &= self._of(source)
            counts = torch.zeros(classes, dtype=torch.int64, device=self.label.device)
            counts.index_add_(0, self.label.clamp(min=0), counted.long())
            self._counts[classes, source] = counts
        return self._counts[classes, source]

    def _of(self, source: Source) -> Tensor:
        if self.source is not None:
            return self.source == source
        return torch.full_like(self.label, source == Source.REAL, dtype=torch.bool)

    def row_columns(self) -> dict[str, Tensor]:
        """Columns that rows carry: the data set's, and the posterior where there is one."""
        columns = dict(self.columns)
        if self.posterior is not None:
            columns["posterior"] = self.posterior
        return columns
