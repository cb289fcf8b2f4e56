"""All sources of a recipe looked at, so that everything wrong with them is told at once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from data_tools.prepared import PreparedData
from data_tools.registry import part_name
from data_tools.synthetic_set import SyntheticSet
from supcon_ext.seeding import derived_seed
from supcon_ext.synthetic.checked_source import CheckedSource
from supcon_ext.synthetic.defect import Defect
from supcon_ext.synthetic.report import RefusedSourceError, SyntheticReport
from supcon_ext.synthetic.report_page import REPORT, write_reports
from supcon_ext.synthetic.source import Inspected, Progress, SyntheticSource

logger = logging.getLogger(__name__)


def inspect_sources(
    sources: Sequence[SyntheticSource],
    real: PreparedData,
    seed: int,
    progress: Progress | None = None,
    report: str | Path | None = REPORT,
) -> tuple[list[SyntheticSet], list[SyntheticReport]]:
    """What each source gives.

    What is left out or worth knowing is logged, a line a kind.

    Args:
        sources: In the recipe's order.
        real: What they stand beside.
        seed: Of the recipe's data; each source has a seed of its own.
        progress: Told how far it is.
        report: The page that is written where a source is refused; None writes none.

    Returns:
        The samples and the report of each.

    Raises:
        RefusedSourceError: One or more cannot be used. The message tells of all of them.
        ValueError: A source that makes its samples cannot do so.
    """
    found = [
        _inspected(source, real, derived_seed(seed, place, "synthetic"), progress)
        for place, source in enumerate(sources)
    ]
    reports = [each.report for each in found]
    samples = [each.samples for each in found if each.samples is not None]
    if len(samples) < len(found):
        place = None if report is None else str(write_reports(report, reports))
        raise RefusedSourceError(reports, place)
    for each in reports:
        for line in each.lines("left out", "told"):
            logger.warning("%s: %s", each.source, line)
    return samples, reports


def _inspected(
    source: SyntheticSource, real: PreparedData, seed: int, progress: Progress | None
) -> Inspected:
    if not isinstance(source, CheckedSource):
        return source.inspect(real, seed, progress)
    try:
        return source.inspect(real, seed, progress)
    except (ValueError, OSError) as error:  # what is wrong with the other sources is told as well
        report = SyntheticReport(part_name("synthetic_source", source))
        report.defects.append(Defect("source", "", str(error)))
        report.fates["source"] = "refused"
        return Inspected(None, report)
