"""One owner at a time for a run's folder: a lock that goes with its process, however that ends."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from data_tools.whole_file import write_whole
from supcon_ext.experiment.cannot_start import CannotStart
from supcon_ext.tracking.run_lock import RUN_LOCK

LOCK = RUN_LOCK
OWNER = "owner.json"


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Own a folder while in here.

    The operating system holds the lock, so it is gone with a killed process; ``owner.json`` beside
    it only says whose it is. Of a run of several processes, the first one owns the folder. Reading
    (``supcon sync``, ``audit``, ``compare``) needs no lock.

    Args:
        folder: A run's or a sweep's; it must be there.

    Raises:
        CannotStart: Another process owns it. One line says which, where, and since when.
    """
    held = FileLock(folder / LOCK)
    try:
        held.acquire(blocking=False)
    except Timeout:
        raise CannotStart(
            f"Expected {folder} to be free, but {_owner(folder)} is working in it. "
            "Try: wait until it ends, or stop it"
        ) from None
    try:
        record = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        with suppress(OSError):  # it only serves a message
            write_whole(folder / OWNER, json.dumps(record) + "\n")
        yield
    finally:
        with suppress(OSError):
            (folder / OWNER).unlink(missing_ok=True)
        held.release()


def _owner(folder: Path) -> str:
    try:
        record = json.loads((folder / OWNER).read_text(encoding="utf-8"))
        return f"process {record['pid']} on {record['host']}, since {record['since']},"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
