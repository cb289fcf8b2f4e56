"""The audit as one HTML file with pictures, which needs neither a server nor the network."""

from __future__ import annotations

import html
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from data_tools.printable import printable
from data_tools.thumbnails import data_uri
from data_tools.whole_file import write_whole
from supcon_ext.audit.table import AuditTable
from supcon_ext.progress.console import ConsoleProgress

_HOLE = re.compile(r"\{\{(title|summary|data)\}\}")


def write_page(
    path: Path,
    table: AuditTable,
    title: str,
    top: int | None,
    csv_name: str,
    progress: ConsoleProgress,
) -> None:
    """Write the page of the labels that look wrong, each beside its disagreeing neighbours.

    Args:
        path: Where to; an existing file is replaced.
        table: The audit.
        title: Above the page.
        top: Largest number of samples on it, the most suspicious first; None for all.
        csv_name: What the full table beside it is called.
        progress: Sees each picture.
    """
    flagged = table.flagged()
    shown = flagged[:top]
    numbers = list(dict.fromkeys(n for i in shown for n in (i, *table.neighbours(i))))
    progress.start_stage("pictures", 1, len(numbers))
    images = []
    for number in numbers:
        images.append(data_uri(table.samples.image(number)))
        progress.step()
    content = {
        "classes": [printable(name) for name in table.samples.classes],
        "images": images,
        "rows": _rows(table, shown, {number: place for place, number in enumerate(numbers)}),
    }
    page = files("supcon_ext.audit").joinpath("page.html").read_text(encoding="utf-8")
    summary = summarise(len(flagged), len(shown), len(table.samples), csv_name)
    filled = {
        "title": html.escape(printable(title)),
        "summary": html.escape(printable(summary)),
        "data": _embedded(content),
    }
    write_whole(path, _HOLE.sub(lambda hole: filled[hole[1]], page))


def summarise(flagged: int, shown: int, count: int, csv_name: str) -> str:
    """One line: how many labels look wrong, how many are on the page, and where the others are."""
    found = f"{flagged:,} of {count:,} labels look wrong"
    if shown == flagged:
        return f"{found}. All samples are in {csv_name}, the most suspicious first."
    more = f"{flagged - shown:,} more, and all other samples, are in {csv_name}"
    return f"{found}. The {shown:,} most suspicious are here; {more}."


def _rows(table: AuditTable, shown: list[int], place: dict[int, int]) -> list[dict[str, Any]]:
    samples, verdict = table.samples, table.verdict
    label, split = samples.label.tolist(), samples.split
    names = [printable(name) for name in samples.names()]
    if samples.paths is None:
        names = [f"index {name}" for name in names]
    return [
        {
            "name": names[i],
            "split": split[i],
            "given": label[i],
            "suggested": int(verdict.suggested[i]),
            "confidence": round(float(verdict.confidence[i]), 4),
            "suspicion": round(float(verdict.suspicion[i]), 4),
            "image": place[i],
            "near": [[place[j], names[j], label[j]] for j in table.neighbours(i)],
        }
        for i in shown
    ]


def _embedded(content: dict[str, Any]) -> str:
    """JSON that no HTML parser takes for markup."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
