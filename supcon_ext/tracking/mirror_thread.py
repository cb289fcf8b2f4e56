"""The mirror: a thread that copies the journal into MLflow while the run goes on.

Training never waits for it. It reads the journal file from where the store left off, so it needs no
queue and loses nothing when the store is away: what could not be sent is still in the file.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from supcon_ext.tracking.journal import JOURNAL_NAME
from supcon_ext.tracking.journal_copier import LOOK_SECONDS, JournalCopier, Unreachable
from supcon_ext.tracking.mirror_state import MirrorState
from supcon_ext.tracking.mlflow_client import load_mlflow
from supcon_ext.tracking.settings import Pace

logger = logging.getLogger(__name__)


class MirrorThread:
    """Runs a :class:`.journal_copier.JournalCopier` in a daemon thread until it is closed.

    MLflow is imported here, in the caller's thread, before the other one starts.

    Args:
        folder: The run folder.
        state: Where it is written down how far the store is.
        uri: The resolved tracking URI.
        pace: How often and how patiently.
    """

    def __init__(self, folder: Path, state: MirrorState, uri: str, pace: Pace) -> None:
        load_mlflow()
        self._copier = JournalCopier(folder, state, uri, pace)
        self._pace = pace
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="supcon-mirror", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is enough to send; does nothing during an outage."""
        self._wake.set()

    def wait_run_id(self, seconds: float) -> str | None:
        """The id of the MLflow run; ``None`` after this time, or once the store gives no answer."""
        end = time.monotonic() + seconds
        while not self._copier.run_ready.wait(LOOK_SECONDS):
            away = self._failures >= self._pace.failures or self._copier.stuck
            if away or time.monotonic() > end:
                break
        return self.run_id

    @property
    def run_id(self) -> str | None:
        """The id of the MLflow run, ``None`` as long as it was not made."""
        return self._copier.run_id

    @property
    def refused(self) -> int:
        """How many events the store would not take."""
        return self._copier.refused

    def close(self) -> bool:
        """Let the thread send the rest, as long as the store answers.

        During an outage, one last try of at most ``pace.quiet`` seconds; else until one answer
        takes longer than that, or ``pace.finish`` seconds are over. The thread is then left alone;
        it does not keep the process alive.

        Returns:
            Whether everything was sent.
        """
        begin = time.monotonic()
        first = begin + self._pace.quiet
        limit = first if self._failures else begin + self._pace.finish
        self._stop.set()
        self._wake.set()
        while self._thread.is_alive():
            left = min(limit, max(first, self._copier.deadline)) - time.monotonic()
            if left <= 0:
                return False
            self._thread.join(min(left, LOOK_SECONDS))
        return self._failures == 0

    def _run(self) -> None:
        while True:
            stopping = self._stop.is_set()
            try:
                self._copier.copy()
            except Exception as error:
                self._failed(error)
            else:
                if self._failures >= self._pace.failures:
                    logger.warning("MLflow answers again; the journal is being sent")
                self._failures = 0
            if stopping:
                return
            if self._failures >= self._pace.failures:
                self._stop.wait(self._pace.outage)
            else:
                self._wake.wait(self._pace.interval)
            self._wake.clear()

    def _failed(self, error: Exception) -> None:
        before = self._failures
        # A server that was never there need not fail three times, nor a store that cannot be used.
        never = isinstance(error, Unreachable) and not self._copier.run_ready.is_set()
        hopeless = never or isinstance(error.__cause__, ValueError)
        self._failures = max(before + 1, self._pace.failures if hopeless else 0)
        logger.debug("sending to MLflow failed", exc_info=error)
        if before < self._pace.failures <= self._failures:
            reason = str(error).partition(" Try: ")[0].rstrip(".")
            logger.warning(
                "%s. Metrics go to %s; later: supcon sync %s",
                reason,
                self._copier.folder / JOURNAL_NAME,
                self._copier.folder,
            )
