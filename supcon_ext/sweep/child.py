"""One run of a sweep: begun, gone on with, or found finished."""

from __future__ import annotations

import json
from pathlib import Path

from supcon_ext.experiment import Interrupted, resume, run
from supcon_ext.experiment.folder import write_traceback
from supcon_ext.sweep.plan import Child

VARIANT = "variant.json"


def has_begun(folder: Path) -> bool:
    """Whether a run's folder holds a run to go on with."""
    return (folder / "recipe.yaml").is_file()


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
            (folder / VARIANT).write_text(json.dumps(place, indent=2) + "\n")
            run(child.recipe, folder=folder, tags=tags, parent_run_id=parent_run_id)
    except Interrupted:
        raise
    except Exception as error:
        return f"{child.name} failed: {error} (see {write_traceback(folder)})"
    return None
