"""``files.json``: the digests of a finished run's files, so that damage to one is found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from data_tools.whole_file import write_whole
from supcon_ext.recipe.resolved import recipe_hash
from supcon_ext.recipe.schema import Recipe
from supcon_ext.tracking.journal import JOURNAL_NAME, read
from supcon_ext.tracking.results import RESULTS_NAME, read_results

MANIFEST = "files.json"


def write_manifest(folder: Path, files: Iterable[Path], results: str) -> None:
    """Write the digests of a run's files, before the last of them, its results, is written.

    Args:
        folder: The run folder.
        files: Those in it that are as they will stay.
        results: What ``results.json`` will hold.
    """
    digests = {path.relative_to(folder).as_posix(): _digest(path.read_bytes()) for path in files}
    digests[RESULTS_NAME] = _digest(results.encode())
    journal = (folder / JOURNAL_NAME).read_bytes()
    record = {"files": digests, "journal": {"size": len(journal), "sha256": _digest(journal)}}
    write_whole(folder / MANIFEST, json.dumps(record, indent=1) + "\n")


def unfinished(folder: Path, recipe: Recipe) -> str | None:
    """Why a run is not finished, in a few words; None where it is, and all its files are sound.

    Args:
        folder: The run folder.
        recipe: What it is a run of.
    """
    if not (folder / RESULTS_NAME).is_file():
        return f"it has no {RESULTS_NAME}"
    try:
        results = read_results(folder)
    except ValueError:
        return f"{RESULTS_NAME} is damaged"
    if results.get("recipe_hash") != recipe_hash(recipe):
        return f"{RESULTS_NAME} is of another recipe"
    try:
        record = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        size, digest = record["journal"]["size"], record["journal"]["sha256"]
        files = dict(record["files"])
    except FileNotFoundError:
        return f"{MANIFEST} is missing"
    except (OSError, ValueError, KeyError, TypeError):
        return f"{MANIFEST} is damaged"
    for name, expected in files.items():
        if not (folder / name).is_file():
            return f"{name} is missing"
        if _digest((folder / name).read_bytes()) != expected:
            return f"{name} is not as the run wrote it"
    journal = folder / JOURNAL_NAME
    if not journal.is_file():
        return f"{JOURNAL_NAME} is missing"
    if _digest(journal.read_bytes()[:size]) != digest or not _readable(journal):
        return f"{JOURNAL_NAME} is not as the run wrote it"
    return None


def missing_file(folder: Path) -> str | None:
    """The first of a finished run's files that is not there, whatever the others hold."""
    try:
        names = [*json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return MANIFEST
    return next((name for name in names if not (folder / name).is_file()), None)


def _readable(journal: Path) -> bool:
    try:
        return all(True for _ in read(journal))
    except ValueError:
        return False


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
