"""Ctrl-C, SIGTERM and SIGHUP: answered at the next moment at which nothing is lost, or in time.

One :class:`StopRequest` serves a process from a command's beginning to its end. Where nothing can
be lost, the first signal raises :class:`Interrupted`; while held, it is only noted, and whoever
holds it asks. The second signal ends the process. ``patience`` is for programs that own their
process: what does not stop of itself in that time is ended, even within one long call of a
library, which Python's own handlers cannot break off.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from types import FrameType
from typing import Any, NoReturn

from data_tools.whole_file import remove_own_drafts

PATIENCE = 4.0
ACKNOWLEDGE = 0.5
LAST_WORDS = 2.0  # a line of a file takes no time, but on a busy machine a moment to begin
STOP_SIGNALS = frozenset(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_OVER = 0  # what is written to the pipe when there is nothing to watch any more


class Interrupted(KeyboardInterrupt):
    """A run was asked to stop, and stopped.

    Like Ctrl-C's own it is no ``Exception``: it comes anywhere, also amid code that takes whatever
    a damaged file raises for the file's fault.

    Args:
        reason: Why, and what became of it; never empty.
        number: The signal; the exit status of a command is 128 and this.
    """

    def __init__(self, reason: str, number: int = signal.SIGINT) -> None:
        super().__init__(reason)
        self.number = number


class StopRequest:
    """Whether this process was asked to stop.

    Attributes:
        number: The first signal that came, or None.
        advice: How to go on; said when the process is ended from outside the main thread.
        before: The handlers of before.
        last_words: Called before such an end, newest first; each is given two seconds.
    """

    def __init__(self, patience: float | None = None) -> None:
        self.number: int | None = None
        self.advice = "; nothing was written"
        self.last_words: list[Callable[[], None]] = []
        self._patience = patience
        self._held = False
        self.before: dict[int, Any] = {}
        self._answered = threading.Event()

    @property
    def requested(self) -> bool:
        """Whether a signal came."""
        return self.number is not None

    @contextmanager
    def held(self) -> Iterator[None]:
        """What must not be broken off: a signal is noted, and :meth:`raise_if_asked` tells."""
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within :meth:`held`, what may be broken off anywhere.

        Raises:
            Interrupted: A signal came, before or within.
        """
        before, self._held = self._held, False
        try:
            self.raise_if_asked()
            yield
        finally:
            self._held = before

    def raise_if_asked(self) -> None:
        """Answer a signal that came.

        Raises:
            Interrupted: One came.
        """
        if self.number is not None:
            self._answered.set()
            raise Interrupted(signal.Signals(self.number).name, self.number)

    def answer(self) -> None:
        """Say that the signal is being answered, however long that takes."""
        self._answered.set()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.number is None:
            self.number = number
        elif self._patience is None:
            raise KeyboardInterrupt
        else:
            return  # the watching thread ends the process
        if not self._held:
            self.raise_if_asked()

    def _watch(self, pipe: int) -> None:
        """See signals that the main thread is too busy for, and end the process if it stays so."""
        first = _next_stop(pipe, None)
        if first in (_OVER, None):
            return
        second = _next_stop(pipe, ACKNOWLEDGE)
        if second is None and not self._answered.is_set():
            name = signal.Signals(first).name
            _say(f"{name}: stopping, in a few seconds at most; once more stops at once")
            second = _next_stop(pipe, (self._patience or 0.0) - ACKNOWLEDGE)
        if second is None and self._answered.is_set():
            second = _next_stop(pipe, None)
        if second != _OVER:
            self._end(first, second)

    def _end(self, first: int, second: int | None) -> NoReturn:
        name = signal.Signals(first).name
        if second is None:
            why = f"{name}, and the work under way took longer than {self._patience:g} s"
        else:
            why = f"{name}, twice"
        _say(f"Stopped: {why}{self.advice}")
        for words in (*reversed(self.last_words), remove_own_drafts):
            speaker = threading.Thread(target=_quietly, args=(words,), daemon=True)
            speaker.start()
            speaker.join(LAST_WORDS)
        os._exit(128 + first)


_current: StopRequest | None = None
_told_of_forks = False


def _forget() -> None:
    """In a forked child: signals to it are none of the parent's."""
    global _current
    if _current is not None:
        signal.set_wakeup_fd(-1)
        for number, handler in _current.before.items():
            signal.signal(number, handler)
        _current = None


@contextmanager
def stop_requests(patience: float | None = None) -> Iterator[StopRequest]:
    """The process's stop request; signals go to it until the outermost ``with`` ends.

    Outside the main thread nothing is installed: signals are the main thread's. A signal that was
    ignored stays so (``nohup``, a shell's background job).

    Args:
        patience: Seconds after which the process is ended if the signal is not answered; None
            waits for the work under way.
    """
    global _current, _told_of_forks
    if _current is not None:
        yield _current
        return
    if threading.current_thread() is not threading.main_thread():
        yield StopRequest()
        return
    if not _told_of_forks and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forget)
        _told_of_forks = True
    stop = StopRequest(patience)
    with nullcontext() if patience is None else _watched(stop):
        try:
            _current = stop
            for number in STOP_SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    stop.before[number] = signal.signal(number, stop._handle)
            yield stop
        finally:
            _current = None
            for number, handler in stop.before.items():
                signal.signal(number, handler)


@contextmanager
def signals_kept_back() -> Iterator[None]:
    """While processes are started in here, they are born with the stop signals blocked."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _watched(stop: StopRequest) -> Iterator[None]:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    former = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    thread = threading.Thread(target=stop._watch, args=(reading,), name="supcon-stop", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(former)
        os.write(writing, bytes([_OVER]))  # closing it tells nothing while workers have a copy
        thread.join()
        os.close(writing)
        os.close(reading)


def _next_stop(pipe: int, seconds: float | None) -> int | None:
    """The next stop signal, ``_OVER``, or None where neither comes in time."""
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        left = None if end is None else max(0.0, end - time.monotonic())
        if not select.select([pipe], [], [], left)[0]:
            return None
        number = os.read(pipe, 1)[0]
        if number == _OVER or number in STOP_SIGNALS:
            return number


def _say(line: str) -> None:
    with suppress(OSError):
        shown = "\x1b[?25h" if os.isatty(2) else ""  # a progress bar hides the cursor
        os.write(2, f"{shown}{line}\n".encode())


def _quietly(words: Callable[[], None]) -> None:
    with suppress(Exception):
        words()
