"""What a person sees while a run works: progress and warnings on stderr, results on stdout.

On a terminal there is one bar with the loss, the rate and the time that the whole run will still
take, and a line for each finished epoch above it. Without a terminal, or with ``NO_COLOR`` set,
there are the lines alone, and one every half a minute within a long epoch. A run that will be long
says so after its first steps, with the keys that make it shorter.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import SupportsFloat

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
)
from rich.text import Text

from data_tools.printable import printable_lines
from supcon_ext.progress.first_process import is_first_process
from supcon_ext.progress.fitted_table import fitted_tables, shown_number
from supcon_ext.progress.outlook import Outlook, Work, duration

REDRAW_SECONDS = 0.5
QUIET_SECONDS = 5.0
STEP_SECONDS = 30.0
LONG_SECONDS = 600.0
FILE_WIDTH = 100
LOGGERS = ("supcon_ext", "data_tools")


class ConsoleProgress:
    """Shows how far a run is. Use it in a ``with`` statement, so that the terminal is left tidy.

    While it is open, warnings that the package logs appear above the bar.

    Args:
        stderr: Where progress goes; default: standard error.
        clock: Gives seconds.

    Attributes:
        warnings: All that were given, each once, in their order.
    """

    def __init__(
        self, stderr: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._console = stderr or Console(stderr=True, highlight=False, soft_wrap=True)
        self._plain = not self._console.is_terminal or bool(os.environ.get("NO_COLOR"))
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._handler = _WarningHandler(self)
        self._stage = ""
        self._epochs = 0
        self._epoch = 0
        self._steps = 0
        self._steps_per_epoch = 1
        self._drawn = -math.inf
        self._told = -math.inf
        self._step_told = -math.inf
        self._warned: set[str] = set()
        self.warnings: dict[str, None] = {}
        self._epoch_began = clock()
        self._outlook = Outlook()
        self._shorter: tuple[str, ...] = ()
        self._foretold = False

    def __enter__(self) -> ConsoleProgress:
        for name in LOGGERS:
            logging.getLogger(name).addHandler(self._handler)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end_stage()
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(self._handler)

    def start_run(self, title: str, details: Mapping[str, str]) -> None:
        """Say what is about to run: a title, and a line for each detail (data, model, tracking)."""
        self._say(title, "bold")
        width = max((len(name) for name in details), default=0)
        for name, text in details.items():
            self._say(f"  {name:<{width}}  {text}")

    def plan(self, parts: Sequence[Work], shorter: Sequence[str] = ()) -> None:
        """What the whole run is made of, so that the time left is that of all of it.

        Args:
            parts: Its stages by their names, and the evaluation.
            shorter: Settings that make it shorter, told where it is long.
        """
        self._outlook, self._shorter, self._foretold = Outlook(parts), tuple(shorter), False

    def start_stage(
        self,
        name: str,
        epochs: int,
        steps_per_epoch: int,
        done_epochs: int = 0,
        done_steps: int = 0,
    ) -> None:
        """A stage begins, or goes on after some epochs and some steps of the next epoch."""
        self._end_stage()
        self._warned.clear()
        self._stage, self._epochs, self._epoch = name, epochs, done_epochs
        self._steps = done_epochs * steps_per_epoch + done_steps
        self._steps_per_epoch = steps_per_epoch
        self._epoch_began = self._step_told = self._clock()
        self._outlook.begin(name, self._share(), self._epoch_began)
        if self._plain:
            going_on = f", going on after {self._steps:,} steps" if self._steps else ""
            self._say(
                f"{name}  {_count(epochs, 'epoch')} of {_count(steps_per_epoch, 'step')}{going_on}"
            )
            return
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[loss]}"),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._progress.add_task(
            name, total=epochs * steps_per_epoch, completed=self._steps, loss="", rate="", left=""
        )
        self._progress.start()

    def step(self, loss: SupportsFloat | None = None) -> None:
        """One optimiser step is done; ``loss`` is made a number only when the bar is redrawn."""
        self._steps += 1
        self._outlook.step(self._share())
        now = self._clock()
        left = self._foretell(now)
        if self._progress is None or self._task is None:
            if now - self._step_told >= STEP_SECONDS:
                self._tell_step(now, loss, left)
            return
        if now - self._drawn < REDRAW_SECONDS:
            return
        self._drawn = now
        speed = self._progress.tasks[0].speed
        self._progress.update(
            self._task,
            completed=self._steps,
            description=f"{self._stage} {self._epoch + 1}/{self._epochs}",
            loss="" if loss is None else f"loss {float(loss):.4f}",
            rate=f"{speed:.1f} steps/s" if speed else "",
            left="" if left is None else f"about {duration(left)} left",
        )
        self._progress.refresh()

    def _share(self) -> float:
        return self._steps / max(1, self._epochs * self._steps_per_epoch)

    def _foretell(self, now: float) -> float | None:
        """Seconds that the run will still take; the first time that it is known, it is told."""
        left = self._outlook.left(now)
        if left is None or self._foretold:
            return left
        self._foretold = True
        if left >= LONG_SECONDS:
            smaller = f"; to make it shorter: {', '.join(self._shorter)}" if self._shorter else ""
            self._say(f"about {duration(left)} left at this rate{smaller}")
        elif self._plain:
            self._say(f"about {duration(left)} left at this rate")
        return left

    def _tell_step(self, now: float, loss: SupportsFloat | None, left: float | None) -> None:
        self._step_told = now
        step = self._steps - self._epoch * self._steps_per_epoch
        parts = [self._stage, f"epoch {self._epoch + 1}/{self._epochs}"]
        parts += [f"step {step:,}/{self._steps_per_epoch:,}"]
        parts += [] if loss is None else [f"loss {shown_number(float(loss))}"]
        parts += [] if left is None else [f"about {duration(left)} left"]
        self._say("  ".join(parts))

    def epoch_end(self, metrics: Mapping[str, float]) -> None:
        """An epoch is done: one line with its metrics and how long it took.

        Where epochs are quick, those with a loss alone share a line every few seconds.
        """
        self._epoch += 1
        self._steps = self._epoch * self._steps_per_epoch
        now = self._clock()
        telling = len(metrics) > 1 or self._epoch in (1, self._epochs)
        if not telling and now - self._told < QUIET_SECONDS:
            self._epoch_began = now
            return
        self._told = self._step_told = now
        width = len(str(self._epochs))
        numbers = "  ".join(f"{name} {shown_number(value)}" for name, value in metrics.items())
        left = self._outlook.left(now)
        self._say(
            f"{self._stage}  epoch {self._epoch:>{width}}/{self._epochs}  {numbers}  "
            f"{now - self._epoch_began:.1f} s"
            + (f"  about {duration(left)} left" if left is not None and round(left) else "")
        )
        self._epoch_began = now

    def note(self, message: str) -> None:
        """One line that is neither a warning nor an epoch."""
        self._say(message)

    def warn(self, message: str) -> None:
        """A warning, above the bar; the same words are said once a stage."""
        if message in self._warned:
            return
        self._warned.add(message)
        self.warnings[message] = None
        self._say(f"warning: {message}", "yellow")

    def results_table(
        self,
        rows: Sequence[Mapping[str, object]],
        columns: Sequence[str],
        title: str = "",
        keys: int = 1,
    ) -> None:
        """Print a table on stdout; numbers to four digits, ``-`` where a row has no value.

        A file gets tables of at most 100 characters, a terminal as wide as it is; columns that do
        not fit are in tables of their own below.

        Args:
            rows: One mapping a row, by column.
            columns: Which columns, in this order; also their headings.
            title: Above the table.
            keys: How many of the first columns tell the rows apart, and come again in each table.
        """
        self._end_stage()
        console = Console(file=sys.stdout, highlight=False)
        if not console.is_terminal:
            console = Console(file=sys.stdout, highlight=False, width=FILE_WIDTH)
        tables = fitted_tables(rows, columns, console.width, keys, title)
        if not console.is_terminal:  # a file cuts nothing off, however wide its keys are
            console = Console(file=sys.stdout, highlight=False, width=10_000)
        for table in tables:
            console.print(table)

    def _say(self, message: str, style: str = "") -> None:
        if is_first_process():
            self._console.print(Text(printable_lines(message), style="" if self._plain else style))

    def _end_stage(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
            self._task = None


class _WarningHandler(logging.Handler):
    def __init__(self, progress: ConsoleProgress) -> None:
        super().__init__(logging.WARNING)
        self._shown_by = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._shown_by.warn(record.getMessage())


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + "s" * (number != 1)
