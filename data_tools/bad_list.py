"""All bad files of a data set: the first on the screen, every one in a file."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

from data_tools.facts_cache import cache_folder
from data_tools.printable import printable
from data_tools.whole_file import whole_file

BAD_LIST = "bad-images.csv"
SHOWN = 10

Bad = Sequence[tuple[str, str]]
"""Path and reason of each."""


def write_bad_list(bad: Bad, name: str) -> Path:
    """Write a CSV with columns path and reason; where it cannot be, to the cache folder.

    Args:
        bad: The files.
        name: Where to.

    Returns:
        Where it was written.
    """
    place = Path(os.path.abspath(name))
    try:
        _write(place, bad)
    except OSError:
        place = cache_folder() / BAD_LIST
        place.parent.mkdir(parents=True, exist_ok=True)
        _write(place, bad)
    return place


def _write(place: Path, bad: Bad) -> None:
    with (
        whole_file(place) as draft,
        # paths byte for byte, so that other programs find the files
        draft.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "reason"])
        writer.writerows(bad)


def told_briefly(bad: Bad, place: Path) -> str:
    """The first ten with their reasons, how many more there are, and where all are listed."""
    lines = [f"  {printable(path)}: {reason}" for path, reason in bad[:SHOWN]]
    if len(bad) > SHOWN:
        lines.append(f"  ... and {len(bad) - SHOWN:,} more")
    return "\n".join([*lines, f"All of them, with reasons, are in {place}"])
