"""What a run believed of its labels in the end, class by class, beside the truth where it is known.

The numbers are those of ``tables/selection_classes.csv``, which the run wrote.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from supcon_ext.report.page import PageSection, text
from supcon_ext.report.table import table
from supcon_ext.tracking.selection_history import TABLE as SELECTIONS

TABLE = Path("tables") / "selection_classes.csv"
FEWEST = 5
"""Trusted samples below which a class is warned of."""
NAMED = 20
NOT_RECORDED = "An older version made this, and did not record what was believed by class"
Beliefs = list[dict[str, float | str]]

_EXPLAINED = (
    "Trusted: given labels that the last selection believes as they are. Corrected: replaced by "
    "another one. Learnt from: trusted samples of the class, corrected ones among them. The "
    "estimated noise is the share of the given labels that is not believed, with a 95 % interval; "
    "a selector that keeps a fixed number of samples believes fewer than are right."
)


def read_belief(folder: Path) -> Beliefs | None:
    """Rows of the run's table; none where it selected nothing.

    None where it selected, and an older version did not record this.
    """
    try:
        with (folder / TABLE).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError:
        return None if (folder / SELECTIONS).is_file() else []
    if any("trusted" not in row for row in rows):
        return None
    return [
        {k: v if k in ("name", "group") else float(v) for k, v in row.items() if v} for row in rows
    ]


def belief(rows: Sequence[Mapping[str, float | str]] | None, classes: Sequence[str]) -> PageSection:
    """The table by class, and a warning on classes that rest on next to nothing.

    Args:
        rows: As :func:`read_belief` gives them.
        classes: Names of the classes.
    """
    if rows is None:
        return PageSection("What was believed", f'<p class="warning">{NOT_RECORDED}.</p>')
    if not rows:
        return PageSection("What was believed", "")
    told = any("noise_rate" in row for row in rows)
    headings = ["class", "shot", "given", "trusted", "corrected", "learnt from", "estimated noise"]
    headings += ["95 % interval"] + (["true noise", "truly of it"] if told else [])
    body = ""
    if warned := thin(rows, classes):
        body += f'<p class="warning">{text(warned)}</p>'
    body += f"<p>{_EXPLAINED}</p>"
    body += table(headings, [_cells(row, classes, told) for row in rows])
    return PageSection("What was believed", body)


def thin(
    rows: Sequence[Mapping[str, float | str]], classes: Sequence[str] | Mapping[int, str]
) -> str:
    """A line on the classes that rest on fewer than five trusted samples; empty without any."""
    found = [
        f"{classes[int(row['class'])]} ({int(row['selected'])})"
        for row in rows
        if float(row["selected"]) < FEWEST
    ]
    if not found:
        return ""
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return (
        f"{len(found)} of {len(rows)} classes rest on fewer than five trusted samples, and what is "
        f"said of them is hardly more than chance: {', '.join(found[:NAMED])}{more}"
    )


def _cells(row: Mapping[str, float | str], classes: Sequence[str], told: bool) -> list[object]:
    low, high = row.get("estimated_noise_low"), row.get("estimated_noise_high")
    interval = None if low is None or high is None else f"{float(low):.2f} to {float(high):.2f}"
    counts = [int(row[name]) for name in ("samples", "trusted", "corrected", "selected")]
    cells: list[object] = [classes[int(row["class"])], row.get("group", ""), *counts]
    cells += [row.get("estimated_noise_rate"), interval]
    if told:
        true = row.get("true_samples")
        cells += [row.get("noise_rate"), None if true is None else int(true)]
    return cells
