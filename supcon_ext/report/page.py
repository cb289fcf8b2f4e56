"""Sections put together: one file, with its style and script in it, and leave to load nothing."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from data_tools.printable import printable

_HOLE = re.compile(r"\{\{(title|summary|body|data|style|script|digest|contents)\}\}")


@dataclass(frozen=True)
class PageSection:
    """A part of the page.

    Attributes:
        title: Its heading.
        body: HTML.
        data: What the page's script finds, by key.
    """

    title: str
    body: str
    data: dict[str, Any] | None = None


def text(value: object) -> str:
    """Any text as HTML: nothing in it is markup, and nothing of it is invisible."""
    return html.escape(printable(str(value)))


def page(title: str, summary: str, sections: Sequence[PageSection]) -> str:
    """The whole page.

    Args:
        title: Above it.
        summary: HTML below that.
        sections: In their order; one without a body is left out.
    """
    here = files("supcon_ext.report")
    style, script, frame = (
        here.joinpath(name).read_text(encoding="utf-8")
        for name in ("page.css", "page.js", "page.html")
    )
    shown = [section for section in sections if section.body]
    data = {key: value for section in shown for key, value in (section.data or {}).items()}
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    links = [f'<a href="#{_place(each)}">{text(each.title)}</a>' for each in shown]
    filled = {
        "title": text(title),
        "summary": summary,
        "contents": "\n".join(links),
        "body": "\n".join(
            f'<section id="{_place(each)}">\n<h2>{text(each.title)}</h2>\n{each.body}\n</section>'
            for each in shown
        ),
        "data": _embedded(data),
        "style": style,
        "script": script,
        "digest": digest,
    }
    return _HOLE.sub(lambda hole: filled[hole[1]], frame)


def _place(section: PageSection) -> str:
    return re.sub(r"[^a-z]+", "-", section.title.lower()).strip("-")


def _embedded(content: dict[str, Any]) -> str:
    """JSON that no HTML parser takes for markup."""
    made = json.dumps(content, separators=(",", ":"))
    return made.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
