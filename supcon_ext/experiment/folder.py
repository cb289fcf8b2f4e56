"""Run folders: how they are named, made and found again."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

from data_tools.whole_file import write_whole
from supcon_ext.meanings import Meaning, as_path, holds, is_path, one_meaning
from supcon_ext.tracking.journal import JOURNAL_NAME

RECIPE = "recipe.yaml"
FINGERPRINT = "fingerprint.json"
ERROR = "error.txt"
RUNS = Path("runs")
"""Where runs are looked for by name."""


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


def find_run_or_sweep(text: str | Path, root: Path = RUNS) -> Path:
    """The folder of a run or a sweep, named as in :func:`find_run`.

    Raises:
        ValueError: As of :func:`find_run`.
    """
    return _find(text, root, lambda folder: is_run(folder) or is_sweep(folder))


def find_run(text: str | Path, root: Path = RUNS) -> Path:
    """The folder of a run: by its path, by its name under ``root``, by the name's beginning.

    Raises:
        ValueError: None fits, or several do, by the rule of
            :func:`~supcon_ext.meanings.one_meaning`. The message lists what there is.
    """
    return _find(text, root, is_run)


def run_meanings(
    text: str | Path, root: Path = RUNS, fits: Callable[[Path], bool] = is_run
) -> list[Meaning[Path]]:
    """Every run that a text can mean: the one at that path, and those under ``root``.

    Args:
        text: What was typed; a ``Path`` at which there is a run is that run.
        root: Folder that holds the runs.
        fits: Which folders count.
    """
    if not str(text).strip():
        return []
    found = []
    if holds(fits, Path(text)):
        found.append(_meaning(Path(text), as_path(text)))
        if isinstance(text, Path):
            return found
    if is_path(text):
        return found
    if holds(fits, root / text):
        found.append(_meaning(root / text, str(root / text)))
    return found + [_meaning(each, str(each), False) for each in _begun(str(text), root, fits)]


def _meaning(folder: Path, said: str, whole: bool = True) -> Meaning[Path]:
    return Meaning("sweep" if is_sweep(folder) else "run", said, folder, whole)


def _find(text: str | Path, root: Path, fits: Callable[[Path], bool]) -> Path:
    if not str(text).strip():
        raise ValueError("Expected a run's folder or name, but got an empty text")
    found = one_meaning(text, run_meanings(text, root, fits))
    if found is not None:
        return found.value
    names = ", ".join(each.name for each in _begun("", root, fits)[-10:])
    there = f"Under {root} there are: {names}" if names else f"There is none in {root}"
    raise ValueError(f"Expected a run's folder or name, but got `{text}`. {there}")


def _begun(text: str, root: Path, fits: Callable[[Path], bool]) -> list[Path]:
    """Those under a folder whose names a text begins and is not."""
    there = sorted(root.iterdir()) if root.is_dir() else []
    return [
        each for each in there if each.name.startswith(text) and each.name != text and fits(each)
    ]
