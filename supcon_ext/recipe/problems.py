"""What is wrong with a recipe: all of it, each with its place and what would be right."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from data_tools.printable import printable, printable_lines
from supcon_ext.recipe.limits import MOST_PROBLEMS

COMMAND_LINE = "command line"
_WIDTH = 110
_WIDEST_PLACE = 32
_LONGEST_PLACE = 200


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        file: The file as the user named it, or ``command line``.
        line: Line of the key, from 1; None on the command line or where a file has no such line.
        path: Dotted key path; on the command line the override itself.
        message: What was expected, and what came.
        suggestion: What would be right; empty where nothing is near.
    """

    file: str
    line: int | None
    path: str
    message: str
    suggestion: str = ""

    @property
    def text(self) -> str:
        """The message and the suggestion."""
        return f"{self.message} {self.suggestion}".strip()


class RecipeError(ValueError):
    """A recipe, an override or a recipe's name is wrong.

    Args:
        problems: At least one; the message shows them by file, in the order of their lines.
        more: How many more there are.
    """

    def __init__(self, problems: Iterable[Problem], more: int = 0) -> None:
        self.problems = sorted(
            problems, key=lambda p: (p.file == COMMAND_LINE, p.file, p.line or 0)
        )
        self.more = more
        super().__init__(report(self.problems, more))

    def __reduce__(self) -> tuple[type[RecipeError], tuple[list[Problem], int]]:
        """Made again from its problems, when it comes from another process."""
        return RecipeError, (self.problems, self.more)


def report(problems: Sequence[Problem], more: int = 0) -> str:
    """The problems as a block of text: a headline for each file, then a line for each problem.

    Args:
        problems: Of one recipe; the first of them are shown.
        more: How many there are beside them.
    """
    blocks = []
    shown, hidden = problems[:MOST_PROBLEMS], len(problems[MOST_PROBLEMS:]) + more
    for file in dict.fromkeys(problem.file for problem in shown):
        here = [problem for problem in shown if problem.file == file]
        count = f"{len(here)} problem" + ("s" if len(here) > 1 else "")
        blocks.append("\n".join([f"{printable(file)}: {count}", *_rows(here)]))
    if hidden:
        blocks.append(f"... and {hidden:,} more problems")
    return "\n".join(blocks)


def _rows(problems: Sequence[Problem]) -> list[str]:
    problems = [replace(p, path=shortened(printable(p.path), _LONGEST_PLACE)) for p in problems]
    lines = [f"line {problem.line}" if problem.line else "" for problem in problems]
    line_width = max(len(line) for line in lines)
    places = [len(p.path) for p in problems if len(p.path) <= _WIDEST_PLACE]
    place_width = max(places, default=0)
    rows = []
    for line, problem in zip(lines, problems, strict=True):
        head = "  " + (f"{line:<{line_width}}  " if line_width else "")
        indent = " " * (len(head) + (place_width + 2 if place_width else 4 * bool(problem.path)))
        place = f"{problem.path:<{place_width}}  " if place_width else problem.path
        if len(head + place) > len(indent):
            rows.append((head + problem.path).rstrip())
            first = indent
        else:
            first = head + place
        rows.append(
            textwrap.fill(
                printable_lines(problem.text),
                _WIDTH,
                initial_indent=first,
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
        )
    return rows


def nearest(word: str, words: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The word most like ``word``, ignoring case; None where none is near."""
    by_lower = {known.lower(): known for known in words}
    found = get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else None


def shown(value: object) -> str:
    """A value of a recipe in a message: short, as YAML would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing (null)"
    if isinstance(value, dict):
        keys = ", ".join(f"`{key}`" for key in itertools.islice(value, 8))
        return f"a mapping with {shortened(keys, 200)}" if value else "{}"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}" if value else "an empty list"
    return shortened(repr(value), 60)


def shortened(text: str, length: int) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= length else text[: length - 3] + "..."
