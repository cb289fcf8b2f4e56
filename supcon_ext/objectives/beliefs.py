"""What is believed of every training sample now: labels, trust and roles of the moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


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
    _counted: tuple[Tensor, Tensor, Tensor] | None = field(default=None, init=False, repr=False)

    def trusted_counts(self, classes: int) -> Tensor:
        """``(C,)`` int64 samples of each working label that are trusted above 0.5.

        Counted once for each label and trust that the samples are given.
        """
        known = self._counted
        if known is not None and known[0] is self.label and known[1] is self.trust:
            if len(known[2]) == classes:
                return known[2]
        counted = (self.label >= 0) & (self.trust > 0.5)
        counts = torch.zeros(classes, dtype=torch.int64, device=self.label.device)
        counts.index_add_(0, self.label.clamp(min=0), counted.long())
        self._counted = self.label, self.trust, counts
        return counts

    def row_columns(self) -> dict[str, Tensor]:
        """Columns that rows carry: the data set's, and the posterior where there is one."""
        columns = dict(self.columns)
        if self.posterior is not None:
            columns["posterior"] = self.posterior
        return columns
