"""Runs of a sweep one after the other, each under one parent, going on where a stop left them."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supcon_ext.compare.comparison import Comparison, compare
from supcon_ext.experiment import Interrupted, resume, run
from supcon_ext.experiment.folder import write_traceback
from supcon_ext.sweep.plan import Child, Sweep
from supcon_ext.tracking import Tracker, TrackingSettings
from supcon_ext.tracking.console import ConsoleProgress

logger = logging.getLogger(__name__)

VARIANT = "variant.json"
RUN_ID_PATIENCE = 30.0


@dataclass(frozen=True)
class SweepResult:
    """A finished sweep.

    Attributes:
        folder: Where its runs are.
        comparison: The table over seeds; None if no run finished.
        failed: Names of the runs that failed.
        tracking_uri: Where MLflow has it, or None.
        run_id: The parent's id there, or None.
    """

    folder: Path
    comparison: Comparison | None
    failed: list[str]
    tracking_uri: str | None
    run_id: str | None


def run_sweep(sweep: Sweep, *, again: bool = False) -> SweepResult:
    """Run every run of a sweep that is not finished yet, and compare them.

    A sweep of the same recipes goes on in the folder that it has; runs that stopped midway are
    resumed.

    Args:
        sweep: What to run.
        again: Begin anew in a folder of its own.

    Raises:
        Interrupted: Ctrl-C or SIGTERM came; calling again goes on.
    """
    root = Path(sweep.children[0].recipe.tracking.folder)
    base = f"{sweep.name}-{sweep.digest[:6]}"
    folder, number = root / base, 2
    while again and folder.exists():
        folder, number = root / f"{base}.{number}", number + 1
    folder.mkdir(parents=True, exist_ok=True)
    console = ConsoleProgress()
    tracker = _tracker(sweep, folder)
    status: Any = "FAILED"
    failed: list[str] = []
    try:
        for position, child in enumerate(sweep.children, 1):
            console.note(f"[{position}/{len(sweep.children)}] {child.name}")
            if not _run_child(child, folder / child.name, tracker):
                failed.append(child.name)
        finished = [folder / c.name for c in sweep.children if c.name not in failed]
        comparison = compare(finished) if finished else None
        if comparison is not None:
            _record(tracker, comparison, folder)
        status = "FAILED" if failed else "FINISHED"
    except Interrupted:
        status = "KILLED"
        raise Interrupted(
            f"sweep stopped; give the same command again to go on in {folder}"
        ) from None
    finally:
        tracker.close(status)
    return SweepResult(folder, comparison, failed, tracker.uri, tracker.run_id)


def _tracker(sweep: Sweep, folder: Path) -> Tracker:
    section = sweep.children[0].recipe.tracking
    journal = folder / "journal.jsonl"
    if journal.is_file():
        return Tracker.resume(folder, journal.stat().st_size)
    settings = TrackingSettings(section.uri, section.experiment, section.on_unreachable)
    return Tracker(folder, settings, run_name=folder.name, tags={"sweep": sweep.name})


def _run_child(child: Child, folder: Path, parent: Tracker) -> bool:
    """Run or resume one; False if it failed."""
    try:
        if (folder / "recipe.yaml").is_file():
            resume(folder)
        else:
            tags = {f"sweep.{axis}": str(choice) for axis, choice in child.variant.items()}
            folder.mkdir(parents=True, exist_ok=True)
            place = {"variant": dict(child.variant), "seed": child.seed}
            (folder / VARIANT).write_text(json.dumps(place, indent=2) + "\n")
            parent_id = parent.wait_run_id(RUN_ID_PATIENCE)
            run(child.recipe, folder=folder, tags=tags, parent_run_id=parent_id)
    except Interrupted:
        raise
    except Exception as error:
        logger.warning("%s failed: %s (see %s)", child.name, error, write_traceback(folder))
        return False
    return True


def _record(tracker: Tracker, comparison: Comparison, folder: Path) -> None:
    for path in comparison.write(folder):
        tracker.artifact(path)
    for row in comparison.rows:
        if row.network != "last":
            continue
        label = "/".join(str(choice) for choice in row.variant.values()).replace(" ", "_")
        for name, spread in row.metrics.items():
            values = {"mean": spread.mean, "std": spread.std, "n": float(spread.n)}
            clean = "".join(c if c.isalnum() or c in "_-./" else "_" for c in f"{label}/{name}")
            tracker.metrics({f"{clean}_{k}": v for k, v in values.items() if v is not None}, 0)
