"""How far something is that is counted: done of all, how many a second, time left."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from supcon_ext.progress.first_process import is_first_process
from supcon_ext.progress.outlook import duration

PATIENCE_SECONDS = 1.0
LINE_SECONDS = 20.0


class CountedProgress:
    """A bar on standard error where that is a terminal, elsewhere a line now and then.

    Nothing is shown of what takes less than a second. Use it in a ``with`` statement.

    Args:
        what: Is being done, ``checking image files``.
        unit: What is counted, ``files``.
        done: How many were done before, which say nothing of the rate.
        stderr: Where it goes; default: standard error.
    """

    def __init__(
        self, what: str, unit: str, *, done: int = 0, stderr: Console | None = None
    ) -> None:
        self._what = what
        self._unit = unit
        self._before = done
        self._console = stderr or Console(stderr=True, highlight=False, soft_wrap=True)
        self._began = time.monotonic()
        self._told = self._began
        self._bar: Progress | None = None

    def __enter__(self) -> CountedProgress:
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
        """So many of all are done."""
        now = time.monotonic()
        if now - self._began < PATIENCE_SECONDS or not is_first_process():
            return
        pace = (done - self._before) / (now - self._began)
        rate = f"{pace:,.{1 if pace < 10 else 0}f} {self._unit}/s"
        left = (
            f", about {duration((total - done) / pace)} left" if 0 < pace and done < total else ""
        )
        if self._console.is_terminal:
            self._show(done, total, rate + left)
        elif now - self._told > LINE_SECONDS or (self._told == self._began and done < total):
            self._told = now
            self._console.print(f"{self._what}: {done:,} of {total:,}, {rate}{left}")

    def _show(self, done: int, total: int, rate: str) -> None:
        if self._bar is None:
            self._bar = Progress(
                TextColumn(self._what),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                console=self._console,
                transient=True,
            )
            self._bar.add_task("", total=total, rate=rate)
            self._bar.start()
        task = self._bar.tasks[0].id
        self._bar.update(task, completed=done, total=total, rate=rate)
