"""Runs and sweeps removed from the disk, and nothing else."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

from supcon_ext.experiment.folder import FINGERPRINT, RECIPE, is_run, is_sweep
from supcon_ext.experiment.lock import lock
from supcon_ext.interrupt import stop_requests
from supcon_ext.tracking.journal import JOURNAL_NAME
from supcon_ext.tracking.mirror_state import STATE_NAME
from supcon_ext.tracking.run_lock import RUN_LOCK

_LAST = (RECIPE, FINGERPRINT, STATE_NAME, JOURNAL_NAME, RUN_LOCK)
"""Files that tell a run's folder from another: they go last, so that a removal can go on."""


def check_removable(folder: Path) -> None:
    """See that a folder is a run's or a sweep's, and nothing else.

    Raises:
        ValueError: It is not, or it must not be removed from here.
    """
    own = (JOURNAL_NAME, STATE_NAME)
    there = is_run(folder) or is_sweep(folder)
    if not there or not all((folder / name).is_file() for name in own):
        raise ValueError(
            f"Expected the folder of a run or a sweep, with its {' and '.join(own)}, but got "
            f"{folder}. Nothing was removed. Try: rm, if it can go all the same"
        )
    if folder.is_symlink():
        raise ValueError(
            f"Expected a folder, but {folder} is a link to {folder.resolve()}. Nothing was "
            "removed. Try: the folder itself"
        )
    here = Path.cwd()
    if folder.resolve() in (here, *here.parents):
        raise ValueError(
            f"Expected a folder beside the working one, but got {folder}, which holds it. Nothing "
            "was removed. Try: from another folder"
        )
    strangers = [each for each in folder.iterdir() if each.is_dir() and _is_strange(folder, each)]
    if strangers:
        raise ValueError(
            f"Expected nothing but runs in the sweep {folder}, but got {strangers[0].name}. "
            "Nothing was removed. Try: move it elsewhere"
        )


def _is_strange(folder: Path, below: Path) -> bool:
    """Whether a folder in a sweep's is no run, nor what MLflow lacks of the sweep."""
    return is_sweep(folder) and not is_run(below) and any(below.iterdir())


def remove(folder: Path) -> None:
    """Remove a run's folder, or a sweep's with its runs. What MLflow has of it stays there.

    A signal to stop is answered between two runs, for half a run is none.

    Args:
        folder: The folder, which nobody may work in.

    Raises:
        Interrupted: A signal came.
        ValueError: It is no run's or sweep's; nothing was removed.
        CannotStart: A process works in it; nothing was removed.
        OSError: Something in it cannot be removed.
    """
    check_removable(folder)
    runs = [each for each in folder.iterdir() if is_run(each)] if is_sweep(folder) else []
    with ExitStack() as held, stop_requests() as stop:
        stop.advice = "; the same command goes on with the removal"
        for each in (folder, *runs):
            held.enter_context(lock(each))
        for each in (*runs, folder):
            stop.raise_if_asked()
            with stop.held():
                _remove(each)


def _remove(folder: Path) -> None:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name in _LAST):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
    folder.rmdir()
