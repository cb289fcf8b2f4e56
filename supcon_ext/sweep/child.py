"""One run of a sweep: begun, gone on with, or found finished."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from data_tools.whole_file import write_whole
from supcon_ext.experiment import CannotStart, resume, run
from supcon_ext.experiment.folder import is_run
from supcon_ext.sweep.plan import Child
from supcon_ext.tracking.results import RESULTS_NAME

VARIANT = "variant.json"


def has_begun(folder: Path) -> bool:
    """Whether a run's folder holds a run to go on with."""
    return is_run(folder)


def is_finished(folder: Path) -> bool:
    """Whether a run's folder holds a run with its results."""
    return has_begun(folder) and (folder / RESULTS_NAME).is_file()


@dataclass(frozen=True)
class Failure:
    """Why a run of a sweep has no results.

    Attributes:
        text: What went wrong.
        began: Whether it was begun; else it could be known before, and nothing was written.
    """

    text: str
    began: bool


def run_child(child: Child, folder: Path, parent_run_id: str | None) -> Failure | None:
    """Run or resume one; what went wrong, or None.

    Args:
        child: What to run.
        folder: Its own folder.
        parent_run_id: The sweep's MLflow run.

    Raises:
        Interrupted: Ctrl-C, SIGTERM or SIGHUP came.
    """
    place = {"variant": dict(child.variant), "seed": child.seed}
    beside = {VARIANT: json.dumps(place, indent=2) + "\n"}
    try:
        if has_begun(folder):
            for name, text in beside.items():
                write_whole(folder / name, text)
            resume(folder)
        else:
            tags = {f"sweep.{axis}": str(choice) for axis, choice in child.variant.items()}
            run(child.recipe, folder=folder, tags=tags, parent_run_id=parent_run_id, beside=beside)
    except CannotStart as error:
        return Failure(f"{child.name} cannot start: {error}", began=False)
    except Exception as error:
        notes = "; ".join(getattr(error, "__notes__", []))
        return Failure(f"{child.name} failed: {error} ({notes})", began=True)
    return None
