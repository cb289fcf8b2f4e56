"""The labels that come of an audit: as people decided, and as the neighbours suggest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_tools.labels_file import KEPT, RELABELLED
from data_tools.samples import IntArray
from supcon_ext.audit.decisions import KEEP, RELABEL, UNUSABLE, Mask, judged_before
from supcon_ext.audit.table import AuditTable


@dataclass(frozen=True)
class Settled:
    """N samples after an audit.

    Attributes:
        label: ``(N,)`` int64.
        unusable: ``(N,)`` bool, which people want left out.
        judged: ``(N,)`` text of the column ``judged``: what people said of each label, now or
            before; None where they never said anything.
        suggested: ``(N,)`` bool, which labels are changed by the neighbours' word alone.
        relabelled: How many people gave another label.
        kept: Of how many people kept the given label.
    """

    label: IntArray
    unusable: Mask
    judged: npt.NDArray[np.str_] | None
    suggested: Mask
    relabelled: int
    kept: int


def settle(table: AuditTable, min_confidence: float | None) -> Settled:
    """Take what people decided, and of what they did not the suggestions that are sure enough.

    Args:
        table: The audit.
        min_confidence: Least confidence of a suggestion that is taken; None takes none.
    """
    verdict, samples, decisions = table.verdict, table.samples, table.decisions
    given = samples.label
    suggested = np.zeros(len(samples), dtype=bool)
    if min_confidence is not None:
        sure = (verdict.flagged & (verdict.confidence >= min_confidence)).numpy()
        suggested = sure & np.array(table.listed)
    judged = judged_before(samples)
    label, unusable = given.copy(), np.zeros(len(samples), dtype=bool)
    relabelled = kept = 0
    if decisions is not None:
        suggested &= decisions.what == ""
        label = decisions.label.copy()
        unusable = decisions.are(UNUSABLE)
        judged = np.where(decisions.are(KEEP), KEPT, judged)
        judged = np.where(decisions.are(RELABEL), RELABELLED, judged)
        relabelled = int(decisions.are(RELABEL).sum())
        kept = int(decisions.are(KEEP).sum())
    label = np.where(suggested, verdict.suggested.numpy(), label)
    return Settled(
        label=label,
        unusable=unusable,
        judged=judged if (judged != "").any() else None,
        suggested=suggested,
        relabelled=relabelled,
        kept=kept,
    )
