"""Sifting the samples of a source by the filters that a recipe names for it."""

from __future__ import annotations

from data_tools.prepared import PreparedData
from data_tools.synthetic_set import SyntheticSet
from supcon_ext.synthetic.filter import synthetic_filter
from supcon_ext.synthetic.filter_report import FilterReport
from supcon_ext.synthetic.filtering import filtered
from supcon_ext.synthetic.real_training import RealTraining
from supcon_ext.synthetic.source import Progress, SyntheticSource
from supcon_ext.synthetic.trust import read_trust


def sifted_by(
    source: SyntheticSource, made: SyntheticSet, real: PreparedData, progress: Progress | None
) -> tuple[SyntheticSet, FilterReport | None]:
    """What a source's filters leave of its samples, and what they say; None without filters.

    Raises:
        ValueError: Nothing is left, or a filter cannot judge the samples.
    """
    if not source.filters:
        return made, None
    filters = [synthetic_filter.make(each) for each in source.filters]
    trust = None if source.trust is None else read_trust(source.trust, real).numpy()
    return filtered(made, filters, RealTraining.of(real, trust), progress=progress)
