"""Run folders: how they are named, made and found again."""

from __future__ import annotations

import traceback
from pathlib import Path

from data_tools.whole_file import write_whole
from supcon_ext.tracking.journal import JOURNAL_NAME

RECIPE = "recipe.yaml"
FINGERPRINT = "fingerprint.json"
ERROR = "error.txt"


def new_folder(root: Path, name: str, digest: str, seed: int) -> Path:
    """Make the folder of a new run, ``<name>-<hash6>-s<seed>``, numbered where that one exists.

    Args:
        root: Folder that holds the runs.
        name: Of the recipe.
        digest: Hash of the recipe.
        seed: Of the run.
    """
    base = f"{name}-{digest[:6]}-s{seed}"
    number = 1
    while True:
        folder = root / (base if number == 1 else f"{base}.{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


def write_traceback(folder: Path) -> Path | None:
    """Write the traceback of the exception that is being handled into a run's folder.

    Returns:
        The file; None where it cannot be written, on a full disk, say.
    """
    place = folder / ERROR
    try:
        write_whole(place, traceback.format_exc())
    except OSError:
        return None
    return place


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's."""
    return any((folder / name).is_file() for name in (RECIPE, FINGERPRINT))


def is_sweep(folder: Path) -> bool:
    """Whether a folder is a sweep's: it has a journal of its own, and runs below it, if any yet."""
    return folder.is_dir() and not is_run(folder) and (folder / JOURNAL_NAME).is_file()


def find_run_or_sweep(text: str | Path, root: Path = Path("runs")) -> Path:
    """The folder of a sweep, by its path or its name under ``root``, or of a run.

    Raises:
        ValueError: As of :func:`find_run`.
    """
    for candidate in (Path(text), root / text):
        if str(text).strip() and is_sweep(candidate):
            return candidate
    return find_run(text, root)


def find_run(text: str | Path, root: Path = Path("runs")) -> Path:
    """The folder of a run, by its path, its name, or the beginning of its name under ``root``.

    Raises:
        ValueError: None fits, or more than one does. The message lists what there is.
    """
    path = Path(text)
    if not str(text).strip():
        raise ValueError("Expected a run's folder or name, but got an empty text")
    for candidate in (path, root / path):
        if is_run(candidate):
            return candidate
    names = sorted(p.name for p in root.iterdir() if is_run(p)) if root.is_dir() else []
    found = [name for name in names if name.startswith(str(text))]
    if len(found) == 1:
        return root / found[0]
    if found:
        raise ValueError(f"Expected one run, but `{text}` begins {len(found)}: {', '.join(found)}")
    there = (
        f"Under {root} there are: {', '.join(names[-10:])}" if names else f"There is none in {root}"
    )
    raise ValueError(f"Expected a run's folder or name, but got `{text}`. {there}")
