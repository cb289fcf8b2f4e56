"""What the filters of a recipe's sources did, as files of a run: a page and JSON a source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from supcon_ext.synthetic.filter_page import write_filter_page
from supcon_ext.synthetic.report import SyntheticReport


def filter_pages(reports: Sequence[SyntheticReport], folder: Path) -> dict[int, Path]:
    """Where the page of each source that has filters lies, by the source's place in the recipe."""
    sifted = [place for place, report in enumerate(reports) if report.sifted is not None]
    return {place: folder / f"synthetic-filters-{place}.html" for place in sifted}


def write_filter_files(reports: Sequence[SyntheticReport], folder: Path) -> None:
    """Write the page of each source that has filters, and the JSON beside it."""
    for place, page in filter_pages(reports, folder).items():
        source, sifted = reports[place].source, reports[place].sifted
        if sifted is not None:
            sifted.report.write(page.with_suffix(".json"))
            title = f"Filters of data.synthetic.{place}, {source}"
            write_filter_page(page, sifted.given, sifted.report, title)
