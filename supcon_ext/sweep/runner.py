"""Runs of a sweep, each under one parent, going on where a stop left them."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supcon_ext.compare.comparison import Comparison, compare
from supcon_ext.compare.comparison_files import write_comparison
from supcon_ext.experiment.lock import lock
from supcon_ext.interrupt import Interrupted, stop_requests
from supcon_ext.progress.console import ConsoleProgress
from supcon_ext.sweep.child import Failure, has_begun, is_finished, run_child
from supcon_ext.sweep.jobs import check_jobs, run_side_by_side
from supcon_ext.sweep.only import chosen
from supcon_ext.sweep.plan import Child, Sweep
from supcon_ext.sweep.progress import SweepProgress
from supcon_ext.tracking import Tracker, TrackingSettings

RUN_ID_PATIENCE = 30.0


@dataclass(frozen=True)
class SweepResult:
    """A finished sweep.

    Attributes:
        folder: Where its runs are.
        comparison: The table over seeds; None if no run finished.
        failed: Names of the runs that failed.
        began: Whether one of these had begun before it failed.
        tracking_uri: Where MLflow has it, or None.
        run_id: The parent's id there, or None.
    """

    folder: Path
    comparison: Comparison | None
    failed: list[str]
    began: bool
    tracking_uri: str | None
    run_id: str | None


def run_sweep(
    sweep: Sweep, *, only: Sequence[str] = (), again: bool = False, jobs: int = 1
) -> SweepResult:
    """Run every run of a sweep that is not finished yet, and compare all that are.

    A sweep of the same recipes goes on in the folder that it has; runs that stopped midway are
    resumed.

    Args:
        sweep: What to run.
        only: ``AXIS=CHOICE``: the runs to run now, as :func:`~supcon_ext.sweep.only.chosen` takes
            it; the others are left for another call, in the same folder.
        again: Begin anew in a folder of its own.
        jobs: Runs at a time; more than one are in processes of their own, on one device each.

    Raises:
        ValueError: Several jobs, of runs on several devices; or ``only`` names what is not there.
        CannotStart: Another process works on the sweep.
        Interrupted: Ctrl-C, SIGTERM or SIGHUP came; calling again goes on.
    """
    children = chosen(sweep.children, only)
    check_jobs(children, jobs)
    root = Path(sweep.children[0].recipe.tracking.folder)
    base = f"{sweep.name}-{sweep.digest[:6]}"
    folder, number = root / base, 2
    while again and folder.exists():
        folder, number = root / f"{base}.{number}", number + 1
    folder.mkdir(parents=True, exist_ok=True)
    console = ConsoleProgress()
    with stop_requests() as stop, lock(folder):
        tracker = _tracker(sweep, folder)
        stop.last_words.append(tracker.last_words)
        status: Any = "FAILED"
        failed: dict[str, Failure] = {}
        progress = SweepProgress(console, children, folder, jobs)
        progress.start(sweep.name)

        def report(child: Child, problem: Failure | None) -> None:
            progress.end(child, None if problem is None else problem.text)
            if problem is not None:
                failed[child.name] = problem

        try:
            all_begun = all(has_begun(folder / child.name) for child in children)
            parent_id = None if all_begun else tracker.wait_run_id(RUN_ID_PATIENCE)
            if jobs > 1:
                run_side_by_side(children, folder, parent_id, jobs, report, progress.look)
            else:
                for child in children:
                    progress.begin(child)
                    report(child, run_child(child, folder / child.name, parent_id))
            finished = [folder / c.name for c in sweep.children if is_finished(folder / c.name)]
            comparison = compare(finished) if finished else None
            if comparison is not None:
                _record(tracker, comparison, folder)
            status = "FAILED" if failed else "FINISHED"
        except Interrupted as stopped:
            status = "KILLED"
            name = signal.Signals(stopped.number).name
            raise Interrupted(
                f"{name}: sweep stopped; give the same command again to go on in {folder}",
                stopped.number,
            ) from None
        finally:
            tracker.close(status)
            stop.last_words.remove(tracker.last_words)
    began = any(problem.began for problem in failed.values())
    return SweepResult(folder, comparison, list(failed), began, tracker.uri, tracker.run_id)


def _tracker(sweep: Sweep, folder: Path) -> Tracker:
    section = sweep.children[0].recipe.tracking
    journal = folder / "journal.jsonl"
    if journal.is_file():
        return Tracker.resume(folder, journal.stat().st_size)
    settings = TrackingSettings(section.uri, section.experiment, section.on_unreachable)
    return Tracker(folder, settings, run_name=folder.name, tags={"sweep": sweep.name})


def _record(tracker: Tracker, comparison: Comparison, folder: Path) -> None:
    for path in write_comparison(comparison, folder):
        tracker.artifact(path)
    for row in comparison.rows:
        if row.network != "last":
            continue
        label = "/".join(str(choice) for choice in row.variant.values()).replace(" ", "_")
        for name, spread in row.metrics.items():
            values = {"mean": spread.mean, "std": spread.std, "n": float(spread.n)}
            clean = "".join(c if c.isalnum() or c in "_-./" else "_" for c in f"{label}/{name}")
            tracker.metrics({f"{clean}_{k}": v for k, v in values.items() if v is not None}, 0)
