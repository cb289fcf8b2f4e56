"""A run whose results are there, but whose end was not written or sent."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from supcon_ext.tracking.events import Artifact, StatusChange
from supcon_ext.tracking.journal import JOURNAL_NAME, Journal
from supcon_ext.tracking.mirror_state import MirrorState
from supcon_ext.tracking.results import RESULTS_NAME
from supcon_ext.tracking.sync import sync

logger = logging.getLogger(__name__)


def close_run(folder: Path, mirror: MirrorState | None) -> None:
    """Write what a finished run's journal lacks at its end, and send what MLflow lacks.

    Args:
        folder: The run folder, owned by this process.
        mirror: What the run knows of MLflow; None sends nothing.
    """
    journal = Journal(folder / JOURNAL_NAME)
    last = None
    for event in journal.read():
        last = event
    if not (isinstance(last, StatusChange) and last.status == "FINISHED"):
        logger.info("%s: writing the end of its journal", folder)
        now = time.time_ns() // 1_000_000
        journal.append([Artifact(RESULTS_NAME, "", now), StatusChange("FINISHED", now)])
    lines = journal.lines
    journal.close()
    if mirror is None or mirror.uri is None or mirror.store(mirror.uri).lines >= lines:
        return
    mirror.save(folder)
    try:
        sync(folder)
    except Exception as error:
        logger.warning("MLflow lacks some of %s: %s. Try: supcon sync %s", folder, error, folder)
