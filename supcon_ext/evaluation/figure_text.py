"""Names from files and recipes as a figure shows them: every character, and no formula."""

from __future__ import annotations

from data_tools.printable import printable


def figure_text(name: object) -> str:
    """A name for matplotlib, which takes ``$`` for the bounds of a formula.

    It leaves out of a legend what begins with ``_``, so a space comes before that.
    """
    text = printable(name).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text
