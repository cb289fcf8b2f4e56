"""Tables of the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from supcon_ext.report.page import text


def table(
    headings: Sequence[str], rows: Iterable[Sequence[object]], *, wrapped: Sequence[str] = ()
) -> str:
    """Rows below headings; numbers stand to the right, with at most four digits behind the point.

    Args:
        headings: A text for each column.
        rows: A value for each column; None is a dash.
        wrapped: Headings of columns whose texts may be broken.
    """
    made = [list(row) for row in rows]
    number = [
        any(_is_number(row[c]) for row in made)
        and all(row[c] is None or _is_number(row[c]) for row in made)
        for c in range(len(headings))
    ]
    classes = [
        ' class="number"' if number[c] else ' class="text"' if name in wrapped else ""
        for c, name in enumerate(headings)
    ]
    head = "".join(f"<th{classes[c]}>{text(name)}</th>" for c, name in enumerate(headings))
    body = "\n".join(
        "<tr>"
        + "".join(f"<td{classes[c]}>{cell(value)}</td>" for c, value in enumerate(row))
        + "</tr>"
        for row in made
    )
    whole = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>"
    return f'<div class="wide"><table>{whole}</table></div>'


def cell(value: object) -> str:
    """A value as HTML."""
    if value is None or value == "":
        return "–"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else text(value)


def pairs(values: Mapping[str, object]) -> str:
    """Names and values, a row each; nothing of an empty mapping."""
    return table(("", ""), [(k, str(v)) for k, v in values.items()]) if values else ""


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
