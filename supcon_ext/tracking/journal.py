"""The journal: a run's memory on the local disk, one JSON event a line, only ever appended to.

Everything that a run reports is here first; MLflow is a copy. A line is whole once its line break
is written, so a process killed in mid-write leaves at most one torn line at the end, which readers
pass over and the next writer cuts off.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from supcon_ext.tracking.events import Event, from_line, to_line

logger = logging.getLogger(__name__)

JOURNAL_NAME = "journal.jsonl"


class Journal:
    """Appends events to a file; safe to use from several threads.

    Args:
        path: The journal file; made if it is not there, else continued.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file = path.open("a+b", buffering=0)
        self._cut_to(_whole_size(path))
        self._lines = count_lines(path)

    def append(self, events: Iterable[Event]) -> int:
        """Write events down and hand them to the operating system: all of them or none.

        Returns:
            How many lines the journal has now.

        Raises:
            OSError: The disk is full, say; the error names the file.
        """
        lines = [to_line(event) for event in events]
        left = memoryview(b"".join(lines))
        with self._lock, self._named():
            size = self._file.seek(0, os.SEEK_END)
            try:
                while left:
                    left = left[self._file.write(left) :]
            except BaseException:
                with suppress(OSError):
                    self._file.truncate(size)
                raise
            self._lines += len(lines)
            return self._lines

    @property
    def lines(self) -> int:
        """How many whole lines the journal has."""
        return self._lines

    def offset(self) -> int:
        """Size in bytes after forcing everything to the disk: what a checkpoint remembers."""
        with self._lock, self._named():
            os.fsync(self._file.fileno())
            return self._file.seek(0, os.SEEK_END)

    def truncate(self, offset: int) -> int:
        """Forget what was written after a checkpoint.

        Args:
            offset: What :meth:`offset` gave at the checkpoint.

        Returns:
            How many lines were dropped.

        Raises:
            ValueError: The journal is shorter than that, or no line ends there.
        """
        with self._lock:
            size = self._file.seek(0, os.SEEK_END)
            if not 0 <= offset <= size:
                raise ValueError(
                    f"Expected argument `offset` in [0, {size}], the size of {self.path}, but got "
                    f"{offset}. "
                    "Try: the checkpoint that belongs to this run folder"
                )
            self._file.seek(max(offset - 1, 0))
            if offset and self._file.read(1) != b"\n":
                raise ValueError(
                    f"Expected argument `offset` at the end of a line of {self.path}, but got "
                    f"{offset}. "
                    "Try: the checkpoint that belongs to this run folder"
                )
            before = self._lines
            self._cut_to(offset)
            os.fsync(self._file.fileno())
            self._lines = count_lines(self.path)
            return before - self._lines

    def read(self, start: int = 0) -> Iterator[Event]:
        """Events from byte ``start`` on."""
        return read(self.path, start)

    def close(self) -> None:
        """Force everything to the disk and close the file; closing twice is fine."""
        if not self._file.closed:
            try:
                self.offset()
            finally:
                self._file.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            code = error.errno or 0
            raise OSError(code, os.strerror(code), str(self.path)) from error

    def _cut_to(self, offset: int) -> None:
        size = self._file.seek(0, os.SEEK_END)
        if size > offset:
            logger.info("%s: dropping %d bytes after byte %d", self.path, size - offset, offset)
            self._file.truncate(offset)


def read_lines(path: Path, start: int = 0) -> Iterator[tuple[Event, int]]:
    """Events of a journal with the byte offset after each; a torn last line is left out.

    Args:
        path: The journal file; others may be appending to it.
        start: Byte offset of a line's beginning.

    Raises:
        ValueError: A whole line is no event.
    """
    end = start
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            if not line.endswith(b"\n"):
                return
            end += len(line)
            yield from_line(line), end


def read(path: Path, start: int = 0) -> Iterator[Event]:
    """Events of a journal from byte ``start`` on; a torn last line is left out."""
    return (event for event, _ in read_lines(path, start))


def count_lines(path: Path, end: int | None = None) -> int:
    """How many whole lines there are before byte ``end`` (default: all)."""
    left = path.stat().st_size if end is None else end
    count = 0
    with path.open("rb") as file:
        while left > 0 and (block := file.read(min(1 << 20, left))):
            count += block.count(b"\n")
            left -= len(block)
    return count


def _whole_size(path: Path) -> int:
    """Size of the file up to and with its last line break."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            begin = max(end - (1 << 16), 0)
            file.seek(begin)
            position = file.read(end - begin).rfind(b"\n")
            if position >= 0:
                return begin + position + 1
            end = begin
    return 0
