"""What the runs of a sweep believed of their labels in the end: means and spreads over seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from supcon_ext.compare.comparison import Row, Spread, shown
from supcon_ext.report.belief import NOT_RECORDED, Beliefs, read_belief, thin
from supcon_ext.report.page import PageSection, text
from supcon_ext.report.table import table

COUNTS = {
    "given": "samples",
    "trusted": "trusted",
    "corrected": "corrected",
    "learnt from": "selected",
}
SHARES = {"estimated noise": "estimated_noise_rate", "true noise": "noise_rate"}
TITLE = "What was believed"

_EXPLAINED = (
    "Of the last selection; mean over seeds and one standard deviation. Trusted: given labels that "
    "are believed as they are. Corrected: replaced by another one. Learnt from: trusted samples of "
    "the class, corrected ones among them. The estimated noise is the share of the given labels "
    "that is not believed."
)


def sweep_belief(rows: Sequence[Row], tell: Callable[[str], None]) -> PageSection:
    """A line for each method over all classes, and a table by class below it.

    Args:
        rows: Of the comparison, those of one network.
        tell: Given a line where runs are of an older version.
    """
    found = [(_name(row), [read_belief(run) for run in row.runs]) for row in rows]
    old = [name for name, each in found if any(belief is None for belief in each)]
    known = {name: [belief for belief in each if belief] for name, each in found if name not in old}
    believing = {name: each for name, each in known.items() if each}
    body = ""
    if old:
        line = f"{NOT_RECORDED}: {', '.join(old)}"
        tell(line)
        body += f'<p class="warning">{text(line)}</p>'
    if not believing:
        return PageSection(TITLE, body)
    if doubtless := [name for name in known if name not in believing]:
        body += f"<p>Without a selection: {text(', '.join(doubtless))}.</p>"
    body += f"<p>{_EXPLAINED}</p>{_totals(believing)}"
    for name, each in believing.items():
        body += f"<details><summary>{text(name)}, by class</summary>{_by_class(each)}</details>"
    return PageSection(TITLE, body)


def _name(row: Row) -> str:
    return ", ".join(shown(value) for value in row.variant.values()) or "run"


def _totals(believing: Mapping[str, Sequence[Beliefs]]) -> str:
    lines: list[list[object]] = [
        [name, len(each), *_spreads([_over_classes(belief) for belief in each])]
        for name, each in believing.items()
    ]
    return _shown(["method", "seeds", *COUNTS, *SHARES], lines)


def _shown(headings: list[str], lines: list[list[object]]) -> str:
    """A table, without its last column where the true noise is known nowhere."""
    known = any(line[-1] is not None for line in lines)
    return table(headings, lines) if known else table(headings[:-1], [line[:-1] for line in lines])


def _over_classes(rows: Beliefs) -> dict[str, float | str]:
    """The sums of the counts, and the shares of all samples."""
    sums = {key: sum(float(row[key]) for row in rows) for key in COUNTS.values()}
    total = max(1.0, sums["samples"])
    found: dict[str, float | str] = {**sums, "estimated_noise_rate": 1 - sums["trusted"] / total}
    there = [row for row in rows if float(row["samples"])]
    if all("noise_rate" in row for row in there):
        wrong = sum(float(row["noise_rate"]) * float(row["samples"]) for row in there)
        found["noise_rate"] = wrong / total
    return found


def _spreads(values: Sequence[Mapping[str, float | str]]) -> list[str | None]:
    """A cell for each count and share: mean and spread over what has it."""
    cells: list[str | None] = []
    for key in (*COUNTS.values(), *SHARES.values()):
        known = [float(value[key]) for value in values if key in value]
        spread = Spread.of(known) if known else None
        cells.append(_told(spread, key in COUNTS.values()))
    return cells


def _told(spread: Spread | None, counted: bool) -> str | None:
    if spread is None or not counted:
        return None if spread is None else str(spread)
    if spread.std is None:
        return f"{spread.mean:,.0f}"
    return f"{spread.mean:,.1f} ± {spread.std:,.1f}"


def _by_class(each: Sequence[Beliefs]) -> str:
    by_class: dict[int, Beliefs] = {}
    for row in (row for belief in each for row in belief):
        by_class.setdefault(int(row["class"]), []).append(row)
    names = {number: str(rows[0]["name"]) for number, rows in by_class.items()}
    mean: list[dict[str, float | str]] = [
        {"class": number, "selected": sum(float(row["selected"]) for row in rows) / len(rows)}
        for number, rows in by_class.items()
    ]
    warned = thin(mean, names)
    body = f'<p class="warning">{text(warned)}</p>' if warned else ""
    lines: list[list[object]] = [
        [names[number], _shot(rows), *_spreads(rows)] for number, rows in by_class.items()
    ]
    return body + _shown(["class", "shot", *COUNTS, *SHARES], lines)


def _shot(rows: Sequence[Mapping[str, float | str]]) -> str:
    """The shot group, or those that it is of over the seeds."""
    return "/".join(dict.fromkeys(str(row.get("group", "")) for row in rows))
