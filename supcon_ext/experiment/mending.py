"""The files of a run that goes on, made again as they were at its checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from data_tools.whole_file import write_whole
from supcon_ext.experiment.fingerprint import Record
from supcon_ext.experiment.folder import ERROR, RECIPE
from supcon_ext.experiment.manifest import MANIFEST
from supcon_ext.experiment.preparation import Prepared
from supcon_ext.experiment.report import LABELS
from supcon_ext.experiment.selection_watch import SelectionWatch
from supcon_ext.experiment.standing import CHECKPOINTS, Standing
from supcon_ext.recipe.resolved import to_yaml
from supcon_ext.recipe.schema import Recipe
from supcon_ext.tracking import TrackingSettings
from supcon_ext.tracking.journal import JOURNAL_NAME
from supcon_ext.tracking.mirror_state import MirrorState
from supcon_ext.tracking.results import RESULTS_NAME
from supcon_ext.tracking.store_uri import resolve_uri
from supcon_ext.training.checkpoint import BEST, LAST, PREVIOUS, copy_whole, save_checkpoint


def mend(
    folder: Path, recipe: Recipe, standing: Standing, made: Prepared, watch: SelectionWatch
) -> int:
    """Leave in the folder what was there at the checkpoint, whatever became of it since.

    Args:
        folder: The run folder, owned by this process.
        recipe: What is run.
        standing: Where it stands; what else is made again is added to its notes.
        made: Its data.
        watch: Its selections.

    Returns:
        Size of the journal, from where it goes on.
    """
    notes = standing.notes
    _recipe(folder / RECIPE, recipe, standing)
    for name in (ERROR, RESULTS_NAME, MANIFEST):
        (folder / name).unlink(missing_ok=True)
    _checkpoints(folder / CHECKPOINTS, standing)
    state = standing.state
    watch.restore({"table": "", "selections": []} if state is None else state["selection"])
    labels = folder / LABELS
    before = labels.read_bytes() if labels.is_file() else b""
    made.keep_data(folder)
    if state is not None and labels.read_bytes() != before:
        notes.append(f"{labels} is {'damaged' if before else 'missing'}: made again")
    offset = _journal(folder / JOURNAL_NAME, standing)
    mirror = standing.mirror or _mirror(folder, recipe, standing.record)
    mirror.save(folder)
    return offset


def mend_identity(folder: Path, recipe: Recipe, standing: Standing) -> MirrorState | None:
    """Leave in a finished run's folder what it ran and who it is; what it knows of MLflow."""
    _recipe(folder / RECIPE, recipe, standing)
    if standing.record is None:
        return standing.mirror
    standing.record.write(folder)
    mirror = standing.mirror or MirrorState.of_identity(standing.record.identity)
    mirror.save(folder)
    return mirror


def _recipe(path: Path, recipe: Recipe, standing: Standing) -> None:
    if not path.is_file() or not path.read_bytes().strip():
        standing.notes.append(f"{path} is missing or empty: made again")
    write_whole(path, to_yaml(recipe))


def journal_in(state: dict[str, torch.Tensor]) -> bytes:
    """The journal at a checkpoint."""
    return state["journal"].numpy().tobytes()


def journal_for(content: bytes) -> torch.Tensor:
    """The journal, for a checkpoint."""
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy())


def _checkpoints(folder: Path, standing: Standing) -> None:
    best = None if standing.state is None else standing.state["best"]
    if best is not None:
        save_checkpoint(folder / BEST, best)
    else:
        (folder / BEST).unlink(missing_ok=True)
    if standing.path is None:
        for name in (LAST, PREVIOUS):
            (folder / name).unlink(missing_ok=True)
    elif standing.path.name == PREVIOUS:
        copy_whole(standing.path, folder / LAST)


def _journal(path: Path, standing: Standing) -> int:
    content = b"" if standing.state is None else journal_in(standing.state)
    before = path.read_bytes() if path.is_file() else b""
    if not before.startswith(content):
        notes = "is missing" if not path.is_file() else "does not say what the checkpoint knows"
        standing.notes.append(f"{path} {notes}: made again")
    if not before.startswith(content) or not content:
        write_whole(path, content)
    return len(content)


def _mirror(folder: Path, recipe: Recipe, record: Record | None) -> MirrorState:
    if record is not None:
        return MirrorState.of_identity(record.identity)
    section = recipe.tracking
    settings = TrackingSettings(section.uri, section.experiment, section.on_unreachable)
    return MirrorState(folder.name, settings, resolve_uri(section.uri))
