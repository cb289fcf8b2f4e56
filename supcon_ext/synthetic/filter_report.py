"""What filters did: of each step what it was given and why it dropped what, of each sample why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.samples import IntArray
from data_tools.whole_file import write_whole
from supcon_ext.synthetic.class_measures import ClassMeasures

KEPT = -1


@dataclass(frozen=True)
class FilterStep:
    """One filter of a chain.

    Attributes:
        filter: Its name.
        settings: Its parameters, ``mode`` among them.
        given: Samples that it saw.
        kept: Samples that it left.
        reasons: How many were dropped, by reason, the commonest first.
        score: Mean of its scores.
    """

    filter: str
    settings: Mapping[str, Any]
    given: int
    kept: int
    reasons: Mapping[str, int]
    score: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "filter": self.filter,
            "settings": dict(self.settings),
            "given": self.given,
            "kept": self.kept,
            "mean_score": round(self.score, 4),
            "reasons": dict(self.reasons),
        }


@dataclass(frozen=True)
class FilterReport:
    """What a chain of filters did to M samples.

    Attributes:
        steps: The filters in their order.
        step: ``(M,)`` int64 which of them dropped each sample; -1 where none did.
        reason: ``(M,)`` texts why; empty where none did.
        score: ``(M,)`` float32 of the filter that dropped it; else of the last one.
        quality: ``(M,)`` float32 after the last filter that saw it.
        classes: Names of the C classes.
        measures: Recognisability and diversity of the classes; None where not asked for.
    """

    steps: tuple[FilterStep, ...]
    step: IntArray
    reason: npt.NDArray[Any]
    score: npt.NDArray[np.float32]
    quality: npt.NDArray[np.float32]
    classes: tuple[str, ...]
    measures: ClassMeasures | None = None

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """``(M,)`` bool."""
        kept: npt.NDArray[np.bool_] = self.step == KEPT
        return kept

    def told(self) -> str:
        """In a line: how many are kept, and what took the others."""
        count, kept = len(self.step), int(self.kept.sum())
        line = f"{kept:,} of {count:,} synthetic samples kept"
        parts = [
            f"{number:,} by {step.filter} ({reason})"
            for step in self.steps
            for reason, number in step.reasons.items()
        ]
        return f"{line}; dropped {', '.join(parts)}" if parts else line

    def warnings(self) -> list[str]:
        """Lines on classes that more samples of this kind will not help."""
        if self.measures is None:
            return []
        lines = []
        for found, what in (
            (
                self.measures.unrecognised,
                "a classifier of real samples does not recognise {}: more of such images will not "
                "help",
            ),
            (
                self.measures.untold,
                "whether more of such images help {} cannot be told: the classifier does not "
                "recognise real ones either. Try: a better `encoder`",
            ),
        ):
            if found:
                names = ", ".join(self.classes[each] for each in found[:10])
                more = f" and {len(found) - 10} more" if len(found) > 10 else ""
                lines.append(what.format(names + more))
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Plain values: counts, reasons, measures; nothing of single samples."""
        count, kept = len(self.step), int(self.kept.sum())
        return {
            "given": count,
            "kept": kept,
            "kept_fraction": round(kept / count, 4),
            "mean_quality": round(float(self.quality[self.kept].mean()), 4) if kept else None,
            "steps": [step.as_dict() for step in self.steps],
            "measures": None if self.measures is None else self.measures.as_dict(self.classes),
        }

    def text(self, before: FilterStep | None = None) -> str:
        """:meth:`as_dict` as JSON.

        Args:
            before: What the check of the samples' source did, if it is to be told.
        """
        told = self.as_dict()
        if before is not None:
            told = {"check": before.as_dict(), **told}
        return json.dumps(told, indent=2, ensure_ascii=False, default=str) + "\n"

    def write(self, path: str | Path) -> None:
        """Write :meth:`text`, whole or not at all."""
        write_whole(path, self.text())
