"""A table of results that fits the width at hand: names broken, then columns in several tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from data_tools.printable import printable

WIDEST = 40  # of a column; what is longer goes over several lines
_BORDER = 3

Row = Mapping[str, object]


def shown_number(value: float) -> str:
    """A number to four digits."""
    if not math.isfinite(value):
        return str(value)
    if isinstance(value, int):
        return str(value)
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.3g}"


def fitted_tables(
    rows: Sequence[Row], columns: Sequence[str], width: int, keys: int = 1, title: str = ""
) -> list[Table]:
    """One table where it fits, else several, each of which says whose rows they are.

    Args:
        rows: One mapping a row, by column.
        columns: Which columns, in this order; also their headings.
        width: Characters at hand.
        keys: How many of the first columns tell the rows apart, and are in every table.
        title: Above the first table.
    """
    cells = {name: [printable(_cell(row.get(name))) for row in rows] for name in columns}

    def needs(name: str, heading: str) -> int:
        lengths = map(cell_len, [*heading.split("\n"), *cells[name]])
        return min(WIDEST, max(lengths, default=0)) + _BORDER

    headings = {name: name for name in columns}
    if 1 + sum(needs(name, name) for name in columns) > width:
        headings = {name: name.replace("_", "\n") for name in columns}
    widths = {name: needs(name, headings[name]) for name in columns}
    tables = []
    for number, block in enumerate(_blocks(columns, widths, width, keys)):
        table = Table(title=title if title and not number else None, title_justify="left")
        for position, name in enumerate(block):
            table.add_column(
                Text(headings[name]),
                justify="right" if position else "left",
                overflow="fold",
                max_width=WIDEST,
                no_wrap=widths[name] < WIDEST + _BORDER,
            )
        for place in range(len(rows)):
            table.add_row(*(Text(cells[name][place]) for name in block))
        tables.append(table)
    return tables


def _blocks(
    columns: Sequence[str], widths: Mapping[str, int], width: int, keys: int
) -> list[list[str]]:
    """The columns of each table: the keys, and at least one more."""
    first = list(columns[:keys])
    taken = 1 + sum(widths[name] for name in first)
    blocks = [list(first)]
    left = width - taken
    for name in columns[keys:]:
        if widths[name] > left and len(blocks[-1]) > len(first):
            blocks.append(list(first))
            left = width - taken
        blocks[-1].append(name)
        left -= widths[name]
    return blocks


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return "-" if not math.isfinite(value) else shown_number(value)
