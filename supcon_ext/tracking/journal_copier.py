"""Copies what an MLflow store lacks of a journal, from where the store left off."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path

from supcon_ext.tracking.event_sender import EventSender
from supcon_ext.tracking.events import Event, StatusChange
from supcon_ext.tracking.journal import JOURNAL_NAME, read, read_lines
from supcon_ext.tracking.mirror_state import MirrorState
from supcon_ext.tracking.settings import Pace
from supcon_ext.tracking.store_error import LATER, StoreError, explain
from supcon_ext.tracking.store_uri import answers, is_http, without_login

LOOK_SECONDS = 0.2


class Unreachable(StoreError):
    """Nothing answered at the server's address, or it stopped to."""


class JournalCopier:
    """Copies what a store lacks of a run's journal; used by the mirror's thread and by ``sync``.

    Args:
        folder: The run folder.
        state: Where it is written down how far the store is.
        uri: The resolved tracking URI.
        pace: Batch size and time-outs.
    """

    def __init__(self, folder: Path, state: MirrorState, uri: str, pace: Pace) -> None:
        self.folder = folder
        self.state = state
        self.uri = uri
        self.pace = pace
        self.deadline = time.monotonic()  # when the request now under way has taken too long
        self.run_ready = threading.Event()
        self._store = state.store(uri)
        self._sender: EventSender | None = None
        self._sure = False
        self._copying = False
        self._line = 0
        self._offset = 0

    @property
    def run_id(self) -> str | None:
        """The id of the MLflow run, ``None`` as long as it was not made."""
        return self._store.run_id

    @property
    def stuck(self) -> bool:
        """Whether a request takes longer than it fairly may."""
        return self._copying and time.monotonic() > self.deadline

    @property
    def refused(self) -> int:
        """How many events the store would not take."""
        return self._sender.refused if self._sender else 0

    def copy(self) -> int:
        """Send everything that the journal has and the store has not.

        Returns:
            How many lines were sent.

        Raises:
            StoreError: Nothing answers, or the store does not take it; the message is one line.
        """
        self.beat(None)
        self._copying = True
        try:
            return self._copy()
        except Exception as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(explain(error, self.uri)) from error
        finally:
            self._copying = False

    def end_if_cut_off(self) -> None:
        """Tell the store that the run was killed, where its journal has no end.

        Raises:
            StoreError: As in :meth:`copy`.
        """
        last: Event | None = None
        status = None
        for last in read(self.folder / JOURNAL_NAME):
            status = last if isinstance(last, StatusChange) else status
        if last is None or status is None or status.status != "RUNNING" or self._sender is None:
            return
        try:
            self._sender.send([StatusChange("KILLED", last.time)])
        except Exception as error:
            raise StoreError(explain(error, self.uri)) from error

    def copy_within_time(self) -> int:
        """As :meth:`copy`, given up where a request takes longer than it fairly may.

        The thread that waits for it is left alone; it does not keep the process alive.

        Raises:
            StoreError: As there, or an answer takes too long.
        """
        done: list[int | BaseException] = []

        def work() -> None:
            try:
                done.append(self.copy())
            except BaseException as error:
                done.append(error)

        self.beat(None)
        thread = threading.Thread(target=work, name="supcon-copier", daemon=True)
        thread.start()
        while thread.is_alive() and self.deadline > time.monotonic():
            thread.join(min(self.deadline - time.monotonic(), LOOK_SECONDS))
        if not done:
            raise Unreachable(
                f"Expected MLflow at {without_login(self.uri)} to answer, but a request took more "
                f"than its time. Try: see whether the server is well; then {LATER}"
            )
        if isinstance(done[0], BaseException):
            raise done[0]
        return done[0]

    def _copy(self) -> int:
        sure, self._sure = self._sure, False
        if not sure and is_http(self.uri):
            self.beat(self.pace.preflight)
            if not answers(self.uri, self.pace.preflight):
                raise Unreachable(
                    f"Expected MLflow at {without_login(self.uri)}, but nothing answered in "
                    f"{self.pace.preflight:g} s. Try: start the server, then {LATER}"
                )
        if self._sender is None:
            self._sender = EventSender(self.folder, self.state, self.uri, self.beat)
            self.run_ready.set()
        sent = self._send_all(self._sender)
        self._sure = True
        return sent

    def beat(self, seconds: float | None) -> None:
        """A request begins that may take this long; ``None``: the usual time, ``pace.quiet``."""
        self.deadline = time.monotonic() + (self.pace.quiet if seconds is None else seconds)

    def _send_all(self, sender: EventSender) -> int:
        lines = read_lines(self.folder / JOURNAL_NAME, self._offset)
        sent = 0
        while True:
            chunk = []
            for event, end in itertools.islice(lines, self.pace.batch):
                self._line += 1
                chunk.append((self._line, event, end))
            if not chunk:
                return sent
            fresh = [event for line, event, _ in chunk if line > self._store.lines]
            if fresh:
                try:
                    sender.send(fresh)
                except BaseException:
                    self._line = chunk[0][0] - 1
                    raise
                self._store.lines = self._line
                self.state.save(self.folder)
                sent += len(fresh)
            self._offset = chunk[-1][2]
