"""Reports on synthetic samples as files: JSON that holds everything, and one page to look at."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from data_tools.facts_cache import cache_folder
from data_tools.image_files import ImageFiles
from data_tools.printable import printable
from data_tools.thumbnails import data_uri
from data_tools.whole_file import write_whole
from supcon_ext.synthetic.defect import KINDS, Defect
from supcon_ext.synthetic.report import SyntheticReport

REPORT = "synthetic-report.html"
"""The page's name where nothing else is said; the JSON beside it ends otherwise."""
TITLE = "Synthetic samples"
LINES, PICTURES, CLASSES = 200, 12, 50
UNSAFE = ("missing", "unreadable", "extension", "outside", "bomb")
"""Kinds whose files are not opened for a picture."""

_HOLE = re.compile(r"\{\{(title|summary|body)\}\}")


def write_reports(name: str | Path, reports: Sequence[SyntheticReport]) -> Path:
    """Write the page, and the JSON beside it; where they cannot be, to the cache folder.

    Args:
        name: The page.
        reports: One a source.

    Returns:
        Where the page was written.
    """
    place = Path(os.path.abspath(name))
    try:
        _write(place, reports)
    except OSError:
        place = cache_folder() / REPORT
        place.parent.mkdir(parents=True, exist_ok=True)
        _write(place, reports)
    return place


def _write(place: Path, reports: Sequence[SyntheticReport]) -> None:
    told = {"sources": [report.as_dict() for report in reports]}
    # a name that is no UTF-8 is held by surrogates, which JSON writes as escapes
    write_whole(place.with_suffix(".json"), json.dumps(told, indent=1) + "\n")
    write_whole(place, page_of(reports))


def page_of(reports: Sequence[SyntheticReport]) -> str:
    """The page: a section a source, its defects by kind, with pictures of those that open."""
    used = sum(report.used for report in reports)
    listed = sum(report.listed for report in reports)
    filled = {
        "title": TITLE,
        "summary": f"{listed:,} samples, {used:,} without a fault.",
        "body": "\n".join(line for report in reports for line in _section(report)),
    }
    page = files("supcon_ext.synthetic").joinpath("report.html").read_text(encoding="utf-8")
    return _HOLE.sub(lambda hole: filled[hole[1]], page)


def _section(report: SyntheticReport) -> Iterator[str]:
    yield f"<h2>{_text(report.source)}</h2>"
    mark = ("refused", "refused") if report.refused else ("good", "can be used")
    yield f'<p><span class="{mark[0]}">{mark[1]}</span>: {_text(report.summary)}</p>'
    counts = report.counts()
    if counts:
        yield "<table><tr><th>how many</th><th>what</th><th>what is done</th></tr>"
        for kind, count in counts.items():
            fate = report.fates[kind]
            bad = ' class="refused"' if fate == "refused" else ""
            yield (
                f'<tr><td class="count">{count:,}</td><td>{KINDS[kind].words}</td>'
                f"<td{bad}>{fate}</td></tr>"
            )
        yield "</table>"
    unsafe = {defect.file for defect in report.defects if defect.kind in UNSAFE}
    for kind in counts:
        yield from _details(kind, report.of(kind), unsafe)
    yield from _classes(report)


def _details(kind: str, found: Sequence[Defect], unsafe: set[str]) -> Iterator[str]:
    words = KINDS[kind].words
    yield f"<details><summary>{words}: {len(found):,}</summary>"
    if kind not in UNSAFE:
        yield from _pictures([d for d in found if d.file and d.file not in unsafe][:PICTURES])
    yield "<ul>"
    yield from (f"<li>{_text(defect.text)}</li>" for defect in found[:LINES])
    yield "</ul>"
    if len(found) > LINES:
        yield f"<p>{len(found) - LINES:,} more are in the JSON beside this page.</p>"
    yield "</details>"


def _pictures(found: Sequence[Defect]) -> Iterator[str]:
    shown = []
    for defect in found:
        try:
            address = data_uri(ImageFiles([defect.file])[0])
        except ValueError:  # it is read otherwise, or was damaged since
            continue
        name = _text(Path(defect.file).name)
        caption = f"<figcaption>{name}</figcaption>"
        shown.append(f'<figure><img src="{address}" alt="{name}">{caption}</figure>')
    if shown:
        yield f'<div class="pictures">{"".join(shown)}</div>'


def _classes(report: SyntheticReport) -> Iterator[str]:
    if not report.classes:
        return
    yield f"<details><summary>classes: {len(report.classes):,}</summary><table>"
    largest = sorted(report.classes.items(), key=lambda item: -item[1])
    for name, count in largest[:CLASSES]:
        yield f'<tr><td class="count">{count:,}</td><td>{_text(name)}</td></tr>'
    yield "</table>"
    if len(largest) > CLASSES:
        yield f"<p>{len(largest) - CLASSES:,} smaller ones are in the JSON beside this page.</p>"
    yield "</details>"


def _text(text: str) -> str:
    return escape(printable(text))
