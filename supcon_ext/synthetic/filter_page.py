"""What filters did as one HTML file with pictures, which needs neither a server nor the network."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np

from data_tools.bad_image import BadImageError
from data_tools.printable import printable
from data_tools.samples import IntArray
from data_tools.synthetic_set import UNKNOWN, SyntheticSet
from data_tools.thumbnails import SMALL, data_uri
from data_tools.whole_file import write_whole
from supcon_ext.synthetic.class_table import class_table
from supcon_ext.synthetic.filter_report import FilterReport, FilterStep

EACH = 48
"""Pictures of each reason, and kept ones, that the page shows."""

_HOLE = re.compile(r"\{\{(title|told|warnings|steps|classes|pictures)\}\}")


def write_filter_page(
    path: str | Path,
    synthetic: SyntheticSet,
    report: FilterReport,
    title: str,
    *,
    before: FilterStep | None = None,
    seen_by: str = "",
    each: int = EACH,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the page of what was kept and what was dropped, and why.

    Args:
        path: Where to; an existing file is replaced.
        synthetic: The samples that were given to the filters.
        report: What they did.
        title: Above the page.
        before: What the check of their source did, if it is to be told.
        seen_by: What features the classes were measured by, in words.
        each: Largest number of pictures of each reason, taken evenly from all of them.
        progress: Told how many pictures of all are read.
    """
    page = files("supcon_ext.synthetic").joinpath("filter_page.html").read_text(encoding="utf-8")
    filled = {
        "title": _text(title),
        "told": _text(told(report, before)),
        "warnings": "\n".join(
            f'<p class="warning">{_text(line[0].upper() + line[1:])}.</p>'
            for line in report.warnings()
        ),
        "steps": _steps([*([before] if before else []), *report.steps]),
        "classes": class_table(report, seen_by),
        "pictures": _pictures(synthetic, report, each, progress),
    }
    write_whole(path, _HOLE.sub(lambda hole: filled[hole[1]], page))


def told(report: FilterReport, before: FilterStep | None = None) -> str:
    """The result in a line, with the share that is kept of all."""
    count = len(report.step) if before is None else before.given
    kept = int(report.kept.sum())
    quality = float(report.quality[report.kept].mean()) if kept else 0.0
    weighed = f"; their mean quality is {quality:.2f}" if quality < 1 else ""
    return f"{kept:,} of {count:,} synthetic samples are kept, {kept / count:.1%}{weighed}."


def _steps(steps: Sequence[FilterStep]) -> str:
    rows = []
    for step in steps:
        said = [f"{name} {value}" for name, value in step.settings.items() if value is not None]
        dropped = "".join(
            f"<div>{number:,} dropped: {_text(reason)}</div>"
            for reason, number in step.reasons.items()
        )
        rows.append(
            f'<tr><td class="name">{_text(step.filter)}<small>{_text(", ".join(said))}</small>'
            f'{dropped}</td><td class="number">{step.given:,}</td>'
            f'<td class="number">{step.kept:,}</td><td class="number">{step.score:.2f}</td></tr>'
        )
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="Filters"><table>'
        '<thead><tr><th>filter</th><th class="number">given</th><th class="number">kept</th>'
        '<th class="number">score</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _pictures(
    synthetic: SyntheticSet,
    report: FilterReport,
    each: int,
    progress: Callable[[int, int], None] | None,
) -> str:
    if synthetic.spec.kind != "image":
        return "<p>The samples are vectors: there is nothing to look at.</p>"
    groups = list(_groups(report))
    chosen = [_evenly(places, each) for _, _, places in groups]
    total, done = sum(len(places) for places in chosen), 0
    made: list[str] = []
    for (heading, kind, places), shown in zip(groups, chosen, strict=True):
        figures = []
        for place in shown.tolist():
            figures.append(_figure(synthetic, report, place))
            done += 1
            if progress is not None:
                progress(done, total)
        of = (
            f"{len(shown):,} of {len(places):,}" if len(shown) < len(places) else f"{len(places):,}"
        )
        made.append(
            f'<details class="{kind}"{" open" if len(made) < 6 else ""}><summary>{heading} '
            f"<small>{of}</small></summary><div>{''.join(figures)}</div></details>"
        )
    return "\n".join(made)


def _groups(report: FilterReport) -> Iterator[tuple[str, str, IntArray]]:
    """Heading, kept or dropped, and places of what is shown together."""
    for number, step in enumerate(report.steps):
        for reason in step.reasons:
            places = np.flatnonzero((report.step == number) & (report.reason == reason))
            heading = f"<b>Dropped</b> by {_text(step.filter)}: {_text(reason)}"
            yield heading, "dropped", places
    yield "<b>Kept</b>", "kept", np.flatnonzero(report.kept)


def _evenly(places: IntArray, each: int) -> IntArray:
    """At most so many of the places, from the first to the last."""
    if len(places) <= each:
        return places
    return places[np.linspace(0, len(places) - 1, each).astype(np.int64)]


def _figure(synthetic: SyntheticSet, report: FilterReport, place: int) -> str:
    label, caption = int(synthetic.label[place]), int(synthetic.caption[place])
    called = "" if label == UNKNOWN else synthetic.classes[label]
    text = "" if caption == UNKNOWN else synthetic.captions[caption]
    paths = synthetic.columns.get("path")
    name = f"sample {place}" if paths is None else Path(str(paths[place])).name
    number = f"score {report.score[place]:.2f}"
    if report.quality[place] < 1:
        number += f", quality {report.quality[place]:.2f}"
    first, *others = [_text(each) for each in (called, text, name) if each]
    more = "<br>".join([number, *others])
    return (
        f"<figure>{_picture(synthetic, place, called or text or name)}"
        f"<figcaption><b>{first}</b>{more}</figcaption></figure>"
    )


def _picture(synthetic: SyntheticSet, place: int, words: str) -> str:
    try:
        picture = synthetic[place]
    except BadImageError:
        return '<div class="none">cannot be read</div>'
    small = ' class="small"' if max(picture.shape[:2]) <= SMALL else ""
    return f'<img{small} src="{data_uri(picture)}" alt="{_text(words)}">'


def _text(value: object) -> str:
    return html.escape(printable(value))
