"""Text in tables for people, which spreadsheet programs open: no cell of it is a formula."""

from __future__ import annotations

from typing import Any

from data_tools.printable import printable

_FORMULA = ("=", "+", "-", "@")


def csv_cell(value: Any) -> Any:
    """A cell as it stands; text on one line, with ``'`` before what a spreadsheet would compute.

    For reports alone. Files that a program reads back, as manifests and labels by index, keep what
    they were given.
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
