"""The warnings that a run gave, kept in its folder over all of its processes."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from data_tools.printable import printable
from data_tools.whole_file import write_whole

WARNINGS = "warnings.txt"


def keep_warnings(folder: Path, warnings: Iterable[str]) -> None:
    """Add warnings to those that a run's folder has, a line each, none twice.

    A disk that takes no more fails the run elsewhere, and not here.
    """
    before = kept_warnings(folder)
    now = list(dict.fromkeys([*before, *map(printable, warnings)]))
    if now != before:
        with suppress(OSError):
            write_whole(folder / WARNINGS, "\n".join(now) + "\n")


def kept_warnings(folder: Path) -> list[str]:
    """The warnings that a run gave; none where it gave none, or is of an older version."""
    try:
        return (folder / WARNINGS).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
