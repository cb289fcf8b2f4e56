"""The audit as an HTML page to work on, which needs neither a server nor the network."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from data_tools.printable import printable
from data_tools.whole_file import write_whole
from supcon_ext.audit.findings import Findings
from supcon_ext.audit.page_content import page_content, pictured
from supcon_ext.audit.page_pictures import write_pictures
from supcon_ext.audit.table import AuditTable
from supcon_ext.progress.console import ConsoleProgress
from supcon_ext.selectors.named_rules import Rule, told_rules

_HOLE = re.compile(r"\{\{(title|summary|data)\}\}")
_SCRIPTS = ("page_state.js", "page_cards.js", "page_work.js")


def write_page(
    path: Path,
    table: AuditTable,
    title: str,
    top: int | None,
    csv_name: str,
    progress: ConsoleProgress,
    *,
    findings: Findings | None = None,
    groups: list[list[int]] | None = None,
    left_out: list[str] | None = None,
    rules: Sequence[Rule] = (),
) -> None:
    """Write the page of the labels that look wrong, each beside its neighbours, to decide on them.

    Where there are many pictures, they lie in a folder beside the page, which loads those that are
    looked at.

    Args:
        path: Where to; an existing file is replaced, and the folder of its pictures.
        table: The audit.
        title: Above the page.
        top: Largest number of labels on it, the most suspicious first; None for all that are
            flagged.
        csv_name: What the full table beside it is called.
        progress: Sees each picture.
        findings: Duplicates and outliers.
        groups: Flagged samples to be judged together.
        left_out: A few words on each part of the data set that is not listed.
        rules: Which classes carry which other label as a rule.
    """
    flagged = table.flagged()
    shown = flagged[:top]
    numbers = pictured(table, shown, findings)
    content = page_content(table, shown, numbers, findings, groups or [])
    content["images"] = write_pictures(path, table.samples, numbers, progress)
    summary = summarise(len(flagged), len(shown), sum(table.listed), csv_name)
    if left_out:
        summary += f" Left out: {', '.join(left_out)}."
    if rules:
        summary += f" {told_rules(rules)}."
    filled = {
        "title": html.escape(printable(title)),
        "summary": html.escape(printable(summary)),
        "data": _embedded(content),
    }
    write_whole(path, _HOLE.sub(lambda hole: filled[hole[1]], template()))


def template() -> str:
    """The page with its style and its script, and with holes for what an audit fills in."""
    folder = files("supcon_ext.audit")

    def text(name: str) -> str:
        return folder.joinpath(name).read_text(encoding="utf-8").rstrip()

    page = text("page.html").replace("{{style}}", text("page.css"))
    return page.replace("{{script}}", "\n".join(map(text, _SCRIPTS))) + "\n"


def summarise(flagged: int, shown: int, count: int, csv_name: str) -> str:
    """One line: how many labels look wrong, how many are on the page, and where the others are."""
    found = f"{flagged:,} of {count:,} labels look wrong"
    if shown == flagged:
        return f"{found}. All samples are in {csv_name}, the most suspicious first."
    more = f"{flagged - shown:,} more, and all other samples, are in {csv_name}"
    return f"{found}. The {shown:,} most suspicious are here; {more}."


def _embedded(content: dict[str, Any]) -> str:
    """JSON that no HTML parser takes for markup."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
