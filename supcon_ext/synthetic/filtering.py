"""A chain of filters, one after the other, each on what the ones before have left."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from data_tools.registry import part_name
from data_tools.samples import SampleSet
from data_tools.synthetic_set import SyntheticSet
from supcon_ext.synthetic.class_measures import measure_classes
from supcon_ext.synthetic.features import FeatureBank, Progress
from supcon_ext.synthetic.filter import FilterInput, SyntheticFilter, asked_verdict
from supcon_ext.synthetic.filter_report import KEPT, FilterReport, FilterStep
from supcon_ext.synthetic.real_training import RealTraining

BOUND = 0.3
"""F1 below which a class counts as not recognised, where nothing else is said."""


def filtered(
    synthetic: SyntheticSet,
    filters: Sequence[SyntheticFilter],
    real: RealTraining,
    *,
    encoder: str | None = None,
    measured: bool = False,
    bound: float = BOUND,
    progress: Progress | None = None,
) -> tuple[SyntheticSet, FilterReport]:
    """Samples that pass all filters, in their order, and what was done.

    Args:
        synthetic: M samples.
        filters: In the order in which they are asked; each sees what the ones before have left.
        real: The real training samples, which filters are fitted on where they are trusted.
        encoder: A finished run or ``timm:NAME`` that features are made by, for filters that name
            none; None for pixels, or vectors as they are.
        measured: Whether classes are measured, too: :class:`ClassMeasures`.
        bound: Recognisability below which more samples of a class are of little help.
        progress: Told how many samples of all are read, while features are made.

    Returns:
        The samples that are left, with their quality; and the report, on all M.

    Raises:
        ValueError: There are no samples or none is left, they are not of the real ones' kind and
            classes, or a filter cannot judge them.
    """
    _check(synthetic, real.samples)
    bank = FeatureBank(synthetic, real, encoder, progress)
    count = len(synthetic)
    step = np.full(count, KEPT, dtype=np.int64)
    reason = np.full(count, "", dtype=object)
    score, quality = np.ones(count, dtype=np.float32), synthetic.quality.copy()
    left, steps = np.arange(count), []
    for number, part in enumerate(filters):
        now = replace(synthetic.take(left), quality=quality[left])
        verdict = asked_verdict(part, FilterInput(now, real, bank, left))
        score[left] = verdict.score
        kept, why = verdict.kept, verdict.reason
        if part.mode == "quality":
            quality[left] = quality[left] * verdict.score
            kept = quality[left] > 0
            why = np.where(kept, "", np.where(why == "", "its quality is 0", why))
        reason[left] = why
        step[left[~kept]] = number
        steps.append(
            FilterStep(
                filter=part_name("synthetic_filter", part).split("`")[1],
                settings=settings_of(part),
                given=len(left),
                kept=int(kept.sum()),
                reasons=dict(Counter(why[~kept].tolist()).most_common()),
                score=float(verdict.score.mean()),
            )
        )
        left = left[kept]
        if not len(left):
            break
    report = FilterReport(tuple(steps), step, reason, score, quality, synthetic.classes)
    if not len(left):
        raise ValueError(
            f"Expected synthetic samples that pass the filters, but {report.told()}. "
            "Try: another threshold, or `mode: quality`, which weighs in place of dropping."
        )
    if measured:
        report = replace(report, measures=measure_classes(bank, report.kept, bound))
    return replace(synthetic.take(left), quality=quality[left]), report


def settings_of(part: SyntheticFilter) -> dict[str, Any]:
    """A filter's parameters as plain values: those that it keeps under their own names."""
    names = [name for name in inspect.signature(type(part)).parameters if hasattr(part, name)]
    return {**{name: getattr(part, name) for name in names}, "mode": part.mode}


def _check(synthetic: SyntheticSet, real: SampleSet) -> None:
    if not len(synthetic):
        raise ValueError("Expected synthetic samples to filter, but got none.")
    if synthetic.classes != real.classes:
        raise ValueError(
            f"Expected synthetic samples of the {len(real.classes)} real classes, in their order, "
            f"but got {len(synthetic.classes)} classes."
        )
    ours, theirs = real.spec, synthetic.spec
    if (ours.kind, ours.channels) != (theirs.kind, theirs.channels):
        raise ValueError(
            f"Expected synthetic samples like the real ones, {ours.kind}s of {ours.channels} "
            f"channels, but got {theirs.kind}s of {theirs.channels}."
        )
