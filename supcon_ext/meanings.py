"""What a name that somebody typed can mean: one rule for every command.

A whole name goes before the beginning, or the last part, of one. Where two things are left, of one
kind or of two, neither is taken: the error has both, each written so that it means nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from data_tools.printable import printable

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
_SHOWN = 10
_LONGEST = 100


@dataclass(frozen=True)
class Meaning(Generic[T_co]):
    """One thing that a text can mean.

    Attributes:
        kind: What sort of thing: ``run``, ``recipe``, ``data set``.
        said: How it is written so that it means nothing else.
        value: The thing.
        whole: Whether the text is its name whole, and not a part of it.
    """

    kind: str
    said: str
    value: T_co
    whole: bool = True

    def __str__(self) -> str:
        return f"{self.kind} {printable(self.said)}"


class SeveralMeaningsError(ValueError):
    """A name means several things.

    Args:
        text: What was typed.
        found: What it means, at least two.
    """

    def __init__(self, text: str, found: Iterable[Meaning[object]]) -> None:
        each = [str(meaning) for meaning in found]
        more = f" and {len(each) - _SHOWN:,} more" if len(each) > _SHOWN else ""
        self.message = (
            f"Expected the name of one thing, but `{printable(text)[:_LONGEST]}` fits "
            f"{len(each):,}: {', '.join(each[:_SHOWN])}{more}."
        )
        self.suggestion = "Try: one of these as it is written here"
        super().__init__(f"{self.message} {self.suggestion}")


def one_meaning(
    text: str | os.PathLike[str],
    meanings: Iterable[Meaning[T]],
    tell: Callable[[str], None] = lambda line: None,
) -> Meaning[T] | None:
    """What a text means, of all that it can mean; None where that is nothing.

    Args:
        text: What was typed.
        meanings: All that it can mean, whole or in part.
        tell: Given a line where the beginning of another thing's name was passed over.

    Raises:
        SeveralMeaningsError: It means several things.
    """
    found = list({(each.kind, each.said): each for each in meanings}.values())
    left = [each for each in found if each.whole] or found
    if len(left) > 1:
        raise SeveralMeaningsError(os.fspath(text), left)
    if not left:
        return None
    if over := [each for each in found if each is not left[0]]:
        others = f", or {len(over) - 1:,} others" if len(over) > 1 else ""
        tell(
            f"`{printable(os.fspath(text))}` is taken as the {left[0]}. It is also a part of the "
            f"name of the {over[0]}{others}"
        )
    return left[0]


def is_path(text: str | os.PathLike[str]) -> bool:
    """Whether a text can be nothing but a path: it begins with ``./``, ``../``, ``~`` or ``/``."""
    written = os.fspath(text)
    first = written.replace(os.sep, "/").split("/")[0]
    return os.path.isabs(written) or first in (".", "..") or first.startswith("~")


def as_path(text: str | os.PathLike[str]) -> str:
    """A path written so that it can be nothing else."""
    return os.fspath(text) if is_path(text) else os.path.join(".", os.fspath(text))


def holds(is_one: Callable[[Path], bool], path: Path) -> bool:
    """Whether something is at a path; nothing is where no file can have such a name."""
    try:
        return is_one(path)
    except (OSError, ValueError):
        return False
