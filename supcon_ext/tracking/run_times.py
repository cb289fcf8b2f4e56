"""When a run worked, as its journal tells."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from supcon_ext.tracking.events import Status, StatusChange, from_line

_STATUS = b'{"event":"status"'


@dataclass(frozen=True)
class RunTimes:
    """When a run worked.

    Attributes:
        began: Seconds since 1970.
        worked: Seconds in all its processes, without the time between them. Of one that was
            killed, up to the last thing that it wrote down.
        status: The last that it said of itself.
    """

    began: float
    worked: float
    status: Status


def run_times(journal: Path, running: bool) -> RunTimes:
    """Read the times of a journal, whose other lines are passed over.

    Args:
        journal: The file; its run may be writing.
        running: Whether it is.

    Raises:
        ValueError: It says nothing, or a line that tells of a time is no event.
        OSError: It cannot be read.
    """
    began: int | None = None
    since: int | None = None
    worked, status, before = 0, None, b""
    with journal.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            if line.startswith(_STATUS):
                event = from_line(line)
                if isinstance(event, StatusChange):
                    if since is not None:
                        ended = from_line(before).time if event.status == "RUNNING" else event.time
                        worked += ended - since
                    since = event.time if event.status == "RUNNING" else None
                    began = event.time if began is None else began
                    status = event.status
            before = line
    if began is None or status is None:
        raise ValueError(f"Expected a run's times in {journal}, but got none.")
    if since is not None:
        worked += (time.time_ns() // 1_000_000 if running else from_line(before).time) - since
    return RunTimes(began / 1000, worked / 1000, status)
