"""Arrays from ``.npy`` and ``.npz`` files, none of which can run anything."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_BROKEN = (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)


def open_arrays(path: Path) -> Any:
    """An opened ``.npz`` archive, to be closed, or the array of an ``.npy`` file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no such file, or holds Python objects.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of arrays, but {path} does not exist.")
    try:
        return np.load(path, allow_pickle=False)
    except _BROKEN as error:
        raise ValueError(
            f"Expected an .npy or .npz file of numbers or texts, but {path} is none. "
            "Try: np.savez, and x.astype(str) for an array of objects."
        ) from error


def read_member(archive: Any, name: str, path: Path) -> npt.NDArray[Any]:
    """One array of an archive.

    Raises:
        ValueError: It is damaged, or holds Python objects.
    """
    try:
        member: npt.NDArray[Any] = archive[name]
    except _BROKEN as error:
        raise ValueError(
            f"Expected an array of numbers or texts in `{name}` of {path}, but it is damaged, or "
            "holds objects. Try: x.astype(str)."
        ) from error
    return member
