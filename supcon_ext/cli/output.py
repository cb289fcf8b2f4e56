"""Tables and JSON on standard output.

Every command that prints a table has :data:`json_option`: with ``--json`` standard output is one
JSON document, by :func:`print_json`, and all else is on standard error.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from data_tools.plain_values import plain
from data_tools.printable import printable, printable_lines

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_WIDTH = 10_000

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON in place of the table."
)


def console() -> Console:
    """Standard output: coloured and as wide as the terminal, plain and unbroken elsewhere."""
    from rich.console import Console

    terminal = Console(highlight=False, soft_wrap=True)
    return terminal if terminal.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], indent: int = 0) -> None:
    """Print rows of text in columns, without lines between them and without spaces at their ends.

    Args:
        headings: Names of the columns; all empty for a table without a head.
        rows: A text for each column.
        indent: Spaces before each line.
    """
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        header_style="bold",
        show_header=any(headings),
    )
    for position, heading in enumerate(headings):
        table.add_column(heading, no_wrap=position == 0)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    output = console()
    with output.capture() as captured:
        output.print(Padding(table, (0, 0, 0, indent), expand=False), soft_wrap=False)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def print_json(value: Any) -> None:
    """Print a value as JSON; where a text holds control characters, in plain ASCII.

    Args:
        value: See :func:`~data_tools.plain_values.plain`.
    """
    made = plain(value)
    text = json.dumps(made, indent=2, ensure_ascii=False, allow_nan=False)
    if printable_lines(text) != text:
        text = json.dumps(made, indent=2, allow_nan=False)
    click.echo(text)
