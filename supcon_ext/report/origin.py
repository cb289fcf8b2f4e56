"""Where a run's numbers come from: its data, its recipe, the machine and the packages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from supcon_ext.experiment.folder import RECIPE
from supcon_ext.report.page import PageSection, text
from supcon_ext.report.table import pairs, table
from supcon_ext.tracking.events import DatasetInput, Tag
from supcon_ext.tracking.journal import JOURNAL_NAME, read

ENVIRONMENT = "env."


def origin(folder: Path, results: Mapping[str, Any]) -> list[PageSection]:
    """The data and their fingerprint, the recipe, the environment."""
    events = read(folder / JOURNAL_NAME)
    sets = {event.context: event for event in events if isinstance(event, DatasetInput)}
    rows = [
        (split, each.name, int(each.tags.get("samples", 0)), each.tags.get("classes"))
        for split, each in sets.items()
    ]
    mark = text(results.get("fingerprint", "not told"))
    body = f"<p>Fingerprint, over indices, labels, split and settings: {mark}</p>"
    body += table(("split", "kind", "samples", "classes"), rows) if rows else ""
    first = next(iter(sets.values()), None)
    skipped = ("samples", "classes")
    told = dict(first.tags) if first else {}
    body += pairs({k: _rounded(v) for k, v in told.items() if k not in skipped})
    recipe = (folder / RECIPE).read_text(encoding="utf-8")
    lines = text_lines(recipe)
    shut = f"<details><summary>{lines.count(chr(10)):,} lines</summary><pre>{lines}</pre></details>"
    return [
        PageSection("Data", body),
        PageSection("Recipe", f"<p>Hash {text(results.get('recipe_hash', ''))}</p>{shut}"),
        environment(folder),
    ]


def environment(folder: Path) -> PageSection:
    """The machine and the packages that a run was made with."""
    tags = {e.key: e.value for e in read(folder / JOURNAL_NAME) if isinstance(e, Tag)}
    found = {k.removeprefix(ENVIRONMENT): v for k, v in tags.items() if k.startswith(ENVIRONMENT)}
    return PageSection("Environment", pairs(found))


def _rounded(value: str) -> str:
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value


def text_lines(value: str) -> str:
    """A text of several lines as HTML."""
    return "\n".join(text(line) for line in value.splitlines()) + "\n"
