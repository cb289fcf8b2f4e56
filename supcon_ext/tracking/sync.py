"""Send to MLflow what it lacks of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from supcon_ext.tracking.journal import JOURNAL_NAME
from supcon_ext.tracking.journal_copier import JournalCopier
from supcon_ext.tracking.mirror_state import MirrorState
from supcon_ext.tracking.mlflow_client import load_mlflow
from supcon_ext.tracking.run_lock import is_owned
from supcon_ext.tracking.settings import Pace
from supcon_ext.tracking.store_uri import resolve_uri


@dataclass(frozen=True)
class SyncResult:
    """What was done.

    Attributes:
        sent: Lines of the journal that were sent now.
        refused: Values and files that MLflow would not take; the log says which.
        run_id: The MLflow run.
        uri: The store.
    """

    sent: int
    refused: int
    run_id: str
    uri: str


def sync(folder: Path, uri: str | None = None, *, pace: Pace | None = None) -> SyncResult:
    """Send what the store lacks of a run's journal; a second call finds nothing to send.

    Where the journal has no end and nobody works in the folder any more, the run's process was
    killed, and so the store has it. A run that is resumed is running there again.

    Args:
        folder: The run folder.
        uri: Another store than the run's own; it gets the whole run, once.
        pace: Batch size and time-outs.

    Raises:
        ValueError: The folder is no run folder, or the run has a journal only and no ``uri`` is
            given.
        StoreError: Nothing answers at the server's address, or the store broke off; call again.
            The message is one line, the cause is what MLflow raised.
    """
    folder = Path(folder)
    state = MirrorState.load(folder)
    if not (folder / JOURNAL_NAME).is_file():
        raise ValueError(
            f"Expected a run folder in argument `folder`, but got {folder}, which has no "
            f"{JOURNAL_NAME}. "
            "Try: a folder below runs/"
        )
    target = state.uri if uri is None else resolve_uri(uri)
    if target is None:
        raise ValueError(
            "Expected a store of argument `uri` for a run that was tracked by its journal only, "
            "but got none. "
            "Try: --uri sqlite:///mlflow.db"
        )
    copier = JournalCopier(folder, state, target, pace or Pace())
    load_mlflow()
    sent = copier.copy_within_time()
    if is_owned(folder) is False:
        copier.end_if_cut_off()
    return SyncResult(sent, copier.refused, str(copier.run_id), target)
