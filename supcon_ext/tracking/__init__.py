"""How a run is recorded: a journal on the local disk, MLflow as its mirror, a console."""

from supcon_ext.tracking.events import Status
from supcon_ext.tracking.journal import Journal
from supcon_ext.tracking.null_tracker import AnyTracker, NullTracker
from supcon_ext.tracking.results import read_metrics, read_results, same_metrics, write_results
from supcon_ext.tracking.settings import Pace, TrackingSettings
from supcon_ext.tracking.sync import SyncResult, sync
from supcon_ext.tracking.tracker import Tracker

__all__ = [
    "AnyTracker",
    "Journal",
    "NullTracker",
    "Pace",
    "Status",
    "SyncResult",
    "Tracker",
    "TrackingSettings",
    "read_metrics",
    "read_results",
    "same_metrics",
    "sync",
    "write_results",
]
