"""What is wrong with a recipe: all of it, each with its place and what would be right."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

COMMAND_LINE = "command line"
_WIDTH = 110
_WIDEST_PLACE = 32


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
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(
            problems, key=lambda p: (p.file == COMMAND_LINE, p.file, p.line or 0)
        )
        super().__init__(report(self.problems))

    def __reduce__(self) -> tuple[type[RecipeError], tuple[list[Problem]]]:
        """Made again from its problems, when it comes from another process."""
        return RecipeError, (self.problems,)


def report(problems: Sequence[Problem]) -> str:
    """The problems as a block of text: a headline for each file, then a line for each problem."""
    blocks = []
    for file in dict.fromkeys(problem.file for problem in problems):
        here = [problem for problem in problems if problem.file == file]
        count = f"{len(here)} problem" + ("s" if len(here) > 1 else "")
        blocks.append("\n".join([f"{file}: {count}", *_rows(here)]))
    return "\n".join(blocks)


def _rows(problems: Sequence[Problem]) -> list[str]:
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
                problem.text,
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
        return f"a mapping with {', '.join(f'`{key}`' for key in value)}" if value else "{}"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}" if value else "an empty list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
