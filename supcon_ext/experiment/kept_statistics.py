"""The statistics that a run normalises by, kept in its folder.

They are measured on the images, and a file that has gone bad since would change them a little. A
run that goes on, or is opened again, takes those with which it began.
"""

from __future__ import annotations

import json
from pathlib import Path

from data_tools.whole_file import write_whole
from supcon_ext.policies.base import ViewContext
from supcon_ext.policies.statistics import ChannelStatistics
from supcon_ext.policies.vector_view import VectorContext

STATISTICS = "statistics.json"


def keep_statistics(run_folder: Path, context: ViewContext | VectorContext) -> None:
    """Write down the statistics of a run that begins."""
    kept = {"mean": context.mean, "std": context.std}
    write_whole(run_folder / STATISTICS, json.dumps(kept))


def kept_statistics(run_folder: Path) -> ChannelStatistics | None:
    """The statistics that a run began with; None if they are to be measured (again)."""
    try:
        kept = json.loads((run_folder / STATISTICS).read_text(encoding="utf-8"))
        mean, std = (tuple(float(value) for value in kept[name]) for name in ("mean", "std"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return mean, std
