"""Whether somebody works in a run's folder."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

RUN_LOCK = "run.lock"  # held by whoever works in a run folder


def is_owned(folder: Path) -> bool | None:
    """Whether a process holds the folder's lock, which goes with the process.

    Returns:
        None where that cannot be found out: there is no lock, or it cannot be opened.
    """
    lock = folder / RUN_LOCK
    if not lock.is_file():
        return None
    try:
        with FileLock(lock, blocking=False):
            return False
    except Timeout:
        return True
    except OSError:
        return None
