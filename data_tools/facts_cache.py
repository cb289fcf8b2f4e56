"""What was found out about image files, kept between runs in the user's cache folder.

A cache that is missing, damaged or of another version is as if it were empty.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path

from data_tools.image_facts import Facts
from data_tools.picture import Mode
from data_tools.whole_file import write_whole

logger = logging.getLogger(__name__)

_VERSION = 3
_TYPES = tuple(type(field.default) for field in fields(Facts))


def cache_folder() -> Path:
    """Where this user's programs keep what they can make again: ``XDG_CACHE_HOME`` or the usual."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):  # a relative one is to be ignored, says the specification
        base = Path(given)
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path.home() / ".cache"
    return base / "supcon_ext" / "images"


def cache_file(paths: Sequence[str], mode: Mode) -> Path:
    """The file that keeps the facts of these image files: one for each folder that holds all."""
    top = os.path.commonpath([os.path.abspath(os.path.dirname(path)) for path in paths])
    name = hashlib.sha256(f"{mode}:{top}".encode(errors="surrogateescape")).hexdigest()[:24]
    return cache_folder() / f"{name}.json"


def read_cache(place: Path) -> dict[str, Facts] | None:
    """Facts by absolute path; None if there is no cache, or none that can be used."""
    try:
        digest, _, body = place.read_text(encoding="utf-8").partition("\n")
        if hashlib.sha256(body.encode()).hexdigest() != digest:
            return None
        kept = json.loads(body)
        if kept["version"] != _VERSION:
            return None
        return {path: _facts(row) for path, row in kept["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _facts(row: list[object]) -> Facts:
    if tuple(map(type, row)) != _TYPES:
        raise ValueError("facts of another version")
    return Facts(*row)  # type: ignore[arg-type]  # the line above is the check


def write_cache(place: Path, files: Mapping[str, Facts]) -> None:
    """Keep facts by absolute path; where the folder cannot be written, nothing is kept."""
    kept = {path: astuple(facts) for path, facts in files.items() if facts.lasting}
    body = json.dumps({"version": _VERSION, "files": kept}, separators=(",", ":"))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}")
    except OSError as error:
        logger.info("what is known of the images could not be kept: %s", error)
