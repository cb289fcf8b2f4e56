"""Where a run's numbers come from: its data, its recipe, the machine and the packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    mark = text(results.get("fingerprint", "not told"))
    body = f"<p>Fingerprint, over indices, labels, split and settings: {mark}</p>"
    body += data_of(folder)
    recipe = (folder / RECIPE).read_text(encoding="utf-8")
    lines = text_lines(recipe)
    shut = f"<details><summary>{lines.count(chr(10)):,} lines</summary><pre>{lines}</pre></details>"
    return [
        PageSection("Data", body),
        PageSection("Recipe", f"<p>Hash {text(results.get('recipe_hash', ''))}</p>{shut}"),
        environment([folder]),
    ]


def data_of(folder: Path) -> str:
    """Tables of a run's data: its splits, and what was measured of them."""
    events = read(folder / JOURNAL_NAME)
    sets = {event.context: event for event in events if isinstance(event, DatasetInput)}
    rows = [
        (split, each.name, int(each.tags.get("samples", 0)), each.tags.get("classes"))
        for split, each in sets.items()
    ]
    body = table(("split", "kind", "samples", "classes"), rows) if rows else ""
    first = next(iter(sets.values()), None)
    skipped = ("samples", "classes")
    told = dict(first.tags) if first else {}
    return body + pairs({k: _rounded(v) for k, v in told.items() if k not in skipped})


def environment(folders: Sequence[Path]) -> PageSection:
    """The machines and the packages that runs were made with; what differs is listed."""
    found: dict[str, list[str]] = {}
    for folder in folders:
        tags = {e.key: e.value for e in read(folder / JOURNAL_NAME) if isinstance(e, Tag)}
        for key, value in tags.items():
            if key.startswith(ENVIRONMENT):
                values = found.setdefault(key.removeprefix(ENVIRONMENT), [])
                values += [value] if value not in values else []
    return PageSection("Environment", pairs({k: "; ".join(v) for k, v in found.items()}))


def _rounded(value: str) -> str:
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value


def text_lines(value: str) -> str:
    """A text of several lines as HTML."""
    return "\n".join(text(line) for line in value.splitlines()) + "\n"
