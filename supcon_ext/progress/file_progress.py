"""How far the check of a data set's files is: on standard error, where it takes a while."""

from __future__ import annotations

from rich.console import Console

from supcon_ext.progress.counted_progress import CountedProgress


class FileProgress(CountedProgress):
    """Files done of all, files per second, time left; see :class:`CountedProgress`.

    Args:
        stderr: Where it goes; default: standard error.
    """

    def __init__(self, stderr: Console | None = None) -> None:
        super().__init__("checking image files", "files", stderr=stderr)
