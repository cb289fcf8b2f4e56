"""One run of a sweep: begun, gone on with, or found finished."""

from __future__ import annotations

import json
from pathlib import Path

from data_tools.whole_file import write_whole
from supcon_ext.experiment import Interrupted, resume, run
from supcon_ext.experiment.folder import write_traceback
from supcon_ext.sweep.plan import Child
from supcon_ext.tracking.results import RESULTS_NAME

VARIANT = "variant.json"


def has_begun(folder: Path) -> bool:
    """Whether a run's folder holds a run to go on with."""
    return (folder / "recipe.yaml").is_file()


def is_finished(folder: Path) -> bool:
    """Whether a run's folder holds a run with its results."""
    return has_begun(folder) and (folder / RESULTS_NAME).is_file()


def run_child(child: Child, folder: Path, parent_run_id: str | None) -> str | None:
    """Run or resume one; what went wrong, or None.

    Args:
        child: What to run.
        folder: Its own folder.
        parent_run_id: The sweep's MLflow run.

    Raises:
        Interrupted: Ctrl-C or SIGTERM came.
    """
    try:
        if has_begun(folder):
            resume(folder)
        else:
            tags = {f"sweep.{axis}": str(choice) for axis, choice in child.variant.items()}
            folder.mkdir(parents=True, exist_ok=True)
            place = {"variant": dict(child.variant), "seed": child.seed}
            write_whole(folder / VARIANT, json.dumps(place, indent=2) + "\n")
            run(child.recipe, folder=folder, tags=tags, parent_run_id=parent_run_id)
    except Interrupted:
        raise
    except Exception as error:
        return f"{child.name} failed: {error} (see {write_traceback(folder)})"
    return None
