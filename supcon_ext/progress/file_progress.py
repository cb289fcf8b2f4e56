"""How far the check of a data set's files is: on standard error, where it takes a while."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PATIENCE_SECONDS = 1.0
LINE_SECONDS = 20.0


class FileProgress:
    """Files done of all, files per second, time left: a bar on a terminal, elsewhere some lines.

    Nothing is shown of what takes less than a second. Use it in a ``with`` statement.

    Args:
        stderr: Where it goes; default: standard error.
    """

    def __init__(self, stderr: Console | None = None) -> None:
        self._console = stderr or Console(stderr=True, highlight=False, soft_wrap=True)
        self._began = time.monotonic()
        self._told = self._began
        self._bar: Progress | None = None

    def __enter__(self) -> FileProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __call__(self, done: int, total: int) -> None:
        """So many files of all are checked."""
        now = time.monotonic()
        if now - self._began < PATIENCE_SECONDS:
            return
        rate = f"{done / (now - self._began):,.0f} files/s"
        if self._console.is_terminal:
            self._show(done, total, rate)
        elif now - self._told > LINE_SECONDS or (self._told == self._began and done < total):
            self._told = now
            self._console.print(f"checking image files: {done:,} of {total:,}, {rate}")

    def _show(self, done: int, total: int, rate: str) -> None:
        if self._bar is None:
            self._bar = Progress(
                TextColumn("checking image files"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._bar.add_task("", total=total, rate=rate)
            self._bar.start()
        task = self._bar.tasks[0].id
        self._bar.update(task, completed=done, total=total, rate=rate)
