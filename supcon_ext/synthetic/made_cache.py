"""What generators made, kept between runs in the user's cache folder.

A file that is missing, damaged or of another version is as if it were not there.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from data_tools.facts_cache import cache_folder
from data_tools.mapped_array import place_in_npz
from data_tools.whole_file import whole_file

logger = logging.getLogger(__name__)

_VERSION = 1
_DIGEST = "digest"
Arrays = Mapping[str, npt.NDArray[Any]]


def made_place(key: Mapping[str, Any], suffix: str) -> Path:
    """The file that keeps what follows from a key of plain values."""
    text = json.dumps({"version": _VERSION, **key}, sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()[:32]
    return cache_folder().parent / "generated" / f"{name}{suffix}"


@contextmanager
def made_once(place: Path) -> Iterator[None]:
    """While one process makes a file, others that want it wait; without a folder, nobody waits."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(place.with_name(f"{place.name}.lock"))
        held.acquire()
    except OSError as error:
        logger.info("what generators make cannot be kept: %s", error)
        yield
        return
    try:
        yield
    finally:
        held.release()


def read_made(place: Path, mapped: str) -> dict[str, npt.NDArray[Any]] | None:
    """The arrays that :func:`write_made` kept; None if there are none that can be used.

    Args:
        place: The file.
        mapped: Name of the array that stays there, unless it is empty: it is large.
    """
    try:
        with np.load(place, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files if name != mapped}
        lies = place_in_npz(place, mapped)
        arrays[mapped] = lies.mapped() if 0 not in lies.shape else np.zeros(lies.shape, lies.dtype)
        return arrays if str(arrays.pop(_DIGEST)) == _digest(arrays) else None
    except Exception:  # a damaged file makes the reader raise nearly anything
        return None


def write_made(place: Path, arrays: Arrays) -> None:
    """Keep arrays; where the folder cannot be written, nothing is kept."""
    try:
        with whole_file(place) as draft, draft.open("wb") as file:
            np.savez(file, allow_pickle=False, **{**arrays, _DIGEST: np.array(_digest(arrays))})
    except OSError as error:
        logger.info("what a generator made could not be kept: %s", error)


def _digest(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}:{array.dtype}:{array.shape}:".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
