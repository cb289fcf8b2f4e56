"""What a person sees of a sweep: runs that begin, end or were finished before; the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from supcon_ext.plugin_sources import plugin_files
from supcon_ext.progress.console import ConsoleProgress
from supcon_ext.progress.outlook import duration
from supcon_ext.sweep.child import is_finished
from supcon_ext.sweep.jobs import console_of
from supcon_ext.sweep.plan import Child

LOOK_SECONDS = 30.0
_TAIL = 2_000


class SweepProgress:
    """Tells how far a sweep is.

    Args:
        console: Where it is told.
        children: All runs.
        folder: Where each has its folder.
        jobs: Runs at a time.
        clock: Gives seconds.
    """

    def __init__(
        self,
        console: ConsoleProgress,
        children: Sequence[Child],
        folder: Path,
        jobs: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._children = children
        self._folder = folder
        self._jobs = jobs
        self._clock = clock
        self._before = {child.name for child in children if is_finished(folder / child.name)}
        self._ended: set[str] = set()
        self._began = self._looked = clock()

    def start(self, name: str) -> None:
        """Say what is about to run."""
        runs = f"{len(self._children)} run" + "s" * (len(self._children) != 1)
        done = f", {len(self._before)} of them finished before" if self._before else ""
        details = {"folder": str(self._folder)}
        files = {file for child in self._children for file in plugin_files(child.recipe)}
        if files:
            details["plug-ins"] = ", ".join(map(str, sorted(files)))
        self._console.start_run(f"{name}: {runs}{done}", details)

    def begin(self, child: Child) -> None:
        """A run begins, goes on, or is found finished."""
        if child.name not in self._before:
            place = list(self._children).index(child) + 1
            self._console.note(f"[{place}/{len(self._children)}] {child.name}")

    def end(self, child: Child, problem: str | None) -> None:
        """A run is over; ``problem`` says what went wrong, if anything did."""
        self._ended.add(child.name)
        place = f"[{len(self._ended)}/{len(self._children)}]"
        if problem is not None:
            self._console.warn(f"{place} {problem}")
        elif child.name in self._before:
            self._console.note(f"{place} {child.name} finished before, not run again")
        else:
            self._console.note(f"{place} {child.name} ended{self._left()}")

    def look(self) -> None:
        """Every half a minute, the last line of each run that is under way beside others."""
        now = self._clock()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        for child in self._children:
            file = console_of(self._folder / child.name)
            if child.name not in self._ended | self._before and file.is_file():
                self._console.note(f"  {child.name}: {last_line(file)}")

    def _left(self) -> str:
        ran = len(self._ended - self._before)
        left = len(self._children) - len(self._ended | self._before)
        if not left:
            return ""
        seconds = (self._clock() - self._began) * left / ran
        runs = f"{left} run" + "s" * (left != 1)
        return f"; {runs} to go, about {duration(seconds)}"


def last_line(file: Path) -> str:
    """The last line of a text file that says something; empty if there is none."""
    with file.open("rb") as opened:
        size = opened.seek(0, 2)
        opened.seek(max(0, size - _TAIL))
        lines = opened.read().decode("utf-8", "replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
