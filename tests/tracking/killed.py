"""Processes that kill themselves at a given moment of the making of a new database."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

MOMENTS = ("renaming", "renamed")  # and any number: that statement of all that SQLite is given


def kill_at(moment: int | str) -> None:
    """Make this process kill itself at a moment of its life."""
    import sqlalchemy

    from data_tools import whole_file

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if moment in MOMENTS:
        replace = os.replace

        def replacing(source: Any, target: Any) -> None:
            ours = str(target).endswith("mlflow.db")
            if ours and moment == "renaming":
                die()
            replace(source, target)
            if ours:
                die()

        whole_file.os.replace = replacing  # type: ignore[assignment]
        return
    count = 0

    @sqlalchemy.event.listens_for(sqlalchemy.engine.Engine, "before_cursor_execute")
    def count_one(*_: Any) -> None:
        nonlocal count
        count += 1
        if count == moment:
            die()


def run(folder: str, uri: str, moment: int | str | None = None) -> int:
    """A run of two lines, tracked in a store; how many lines the store lacks in the end."""
    from supcon_ext.tracking import Tracker, TrackingSettings

    if moment is not None:
        kill_at(moment)
    tracker = Tracker(Path(folder), TrackingSettings(uri), run_name=Path(folder).name, tags={})
    tracker.metrics({"train/loss": 0.5}, 1)
    return tracker.close("FINISHED")


def make_as_mlflow_does(uri: str, moment: int) -> None:
    """What `mlflow ui`, and an older version of this package, do with a new database."""
    from supcon_ext.tracking.mlflow_client import open_client

    kill_at(moment)
    open_client(uri).search_experiments()
