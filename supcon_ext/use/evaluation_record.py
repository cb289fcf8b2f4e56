"""Evaluations of a finished run, told to its journal, and by it to MLflow.

An evaluation is a folder that appears whole; a process that is ended before it has told of it
leaves that to the next one that works on the run.
"""

from __future__ import annotations

import time
from pathlib import Path

from supcon_ext.experiment.closing import close_run
from supcon_ext.tracking.events import Artifact, Event, Metric, StatusChange
from supcon_ext.tracking.journal import JOURNAL_NAME, Journal, read
from supcon_ext.tracking.mirror_state import MirrorState
from supcon_ext.tracking.results import RESULTS_NAME, read_results

PLACE = "evaluations"


def untold_evaluations(folder: Path) -> list[Path]:
    """The evaluations in a run's folder that its journal does not know; all where it has none."""
    found = sorted(place.parent for place in (folder / PLACE).glob(f"*/{RESULTS_NAME}"))
    if not found:
        return []
    journal = folder / JOURNAL_NAME
    events = read(journal) if journal.is_file() else iter(())
    known = {event.path for event in events if isinstance(event, Artifact)}
    return [
        place
        for place in found
        if place.name[0] != "." and f"{PLACE}/{place.name}/{RESULTS_NAME}" not in known
    ]


def tell_of_evaluations(folder: Path) -> MirrorState:
    """Add every evaluation that a run's journal lacks, and send it to MLflow if the run is there.

    Args:
        folder: The run's, which this process owns.

    Raises:
        ValueError: A file of the run or of an evaluation is damaged.
    """
    step, now = int(read_results(folder)["steps"]), time.time_ns() // 1_000_000
    happened: list[Event] = []
    for place in untold_evaluations(folder):
        beside = f"{PLACE}/{place.name}"
        happened += [
            Metric(f"{beside}/{split}/{name}/{key}", float(value), step, now)
            for split, by_evaluator in read_results(place)["last"].items()
            for name, metrics in by_evaluator.items()
            for key, value in metrics.items()
            if value is not None
        ]
        files = sorted(path for path in place.rglob("*") if path.is_file())
        happened += [
            Artifact(
                path.relative_to(folder).as_posix(), path.parent.relative_to(folder).as_posix(), now
            )
            for path in files
        ]
    if happened:
        journal = Journal(folder / JOURNAL_NAME)
        journal.append([*happened, StatusChange("FINISHED", now)])
        journal.close()
    mirror = MirrorState.load(folder)
    close_run(folder, mirror)
    return mirror
