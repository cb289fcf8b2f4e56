"""How large a recipe may be, so that none is costly to refuse.

Work is counted, never timed: a text by its characters, a document by the values that are visited
when its aliases are followed, a chain by its files, a sweep by its runs. Each limit is many times
what a recipe needs.
"""

from __future__ import annotations

import math
import unicodedata

LARGEST_TEXT = 250_000
"""Characters of a file, or of all overrides together."""
MOST_VALUES = 10_000
"""Keys, items and values of a document; an alias counts as what it stands for."""
DEEPEST = 40
"""Mappings and lists inside of each other."""
LONGEST_CHAIN = 20
"""Files that extend each other."""
MOST_OVERRIDES = 500
"""Keys set on one command line."""
MOST_RUNS = 1_000
"""Runs of a sweep."""
MOST_PROBLEMS = 50
"""Problems that a report shows; it says how many more there are."""
LARGEST_NUMBER = 2**63 - 1
"""Largest whole number."""

TOO_MANY = (
    f"Expected at most {MOST_VALUES:,} keys, items and values, each alias counted as what it "
    "stands for, but there are more."
)
TOO_DEEP = (
    f"Expected mappings and lists at most {DEEPEST} deep in each other, but these are deeper."
)
_FINE = frozenset("\t\n\r\x85")


class TooLargeError(ValueError):
    """A document goes beyond a limit."""


class Allowance:
    """How many more values of a document may be visited."""

    def __init__(self) -> None:
        self._left = MOST_VALUES

    def visit(self, depth: int) -> None:
        """One more value, so many mappings and lists deep.

        Raises:
            TooLargeError: It is one too many, or too deep.
        """
        self._left -= 1
        if self._left < 0:
            raise TooLargeError(TOO_MANY)
        if depth > DEEPEST:
            raise TooLargeError(TOO_DEEP)


def text_fault(text: str) -> str | None:
    """What is wrong with a text as a key or value, or None.

    Control characters do not belong in names and paths, and command a terminal that shows them.
    """
    if text.isascii() and text.isprintable():
        return None
    for letter in text:
        if letter not in _FINE and unicodedata.category(letter) in ("Cc", "Cs"):
            return f"Expected text without control characters, but it has U+{ord(letter):04X}."
    return None


def number_fault(number: float, written: str) -> str | None:
    """What is wrong with a number, written so, or None."""
    if isinstance(number, int) and abs(number) > LARGEST_NUMBER:
        return "Expected a whole number of at most 64 bits, but it is larger."
    if isinstance(number, float) and not math.isfinite(number):
        return f"Expected a finite number, but got {written:.60}."
    return None
