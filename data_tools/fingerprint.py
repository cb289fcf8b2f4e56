"""One short text that is equal for two made data sets exactly when they are the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

PLACES = frozenset({"root", "download"})
ADDED = frozenset({"scale"})
"""Settings that came later: where they are null, the data set is what it was without them."""


def fingerprint(vectors: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> str:
    """SHA-256 over named vectors of integers and settings.

    It does not depend on the machine, on the vectors' integer type, on the order of keys, nor on
    whether a whole number is written 1 or 1.0.

    Args:
        vectors: Vectors of integers or booleans, by name.
        settings: Plain values, see :func:`portable`.

    Returns:
        64 hexadecimal digits.

    Raises:
        ValueError: A vector is not of integers.
    """
    digest = hashlib.sha256()
    for name in sorted(vectors):
        vector = np.asarray(vectors[name])
        if vector.dtype.kind not in "iub" or vector.ndim != 1:
            raise ValueError(
                f"Expected a vector of integers for `{name}`, "
                f"but got {vector.dtype} {vector.shape}."
            )
        digest.update(f"{name}:{len(vector)}:".encode())
        digest.update(vector.astype("<i8").tobytes())
    text = json.dumps(portable(settings), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    digest.update(text.encode())
    return digest.hexdigest()


def portable(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as plain JSON values, without what differs between machines.

    Keys ``root`` and ``download`` are left out at any depth, and so is ``scale`` where it is null;
    of the paths under ``file`` and ``*_file`` the last part stays.

    Raises:
        ValueError: A value is no number, text, truth value, None, list or mapping of such.
    """
    return {
        str(key): _plain(value, key == "file" or str(key).endswith("_file"))
        for key, value in settings.items()
        if key not in PLACES and not (key in ADDED and value is None)
    }


def _plain(value: Any, is_file: bool) -> Any:
    if isinstance(value, Mapping):
        return portable(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item, is_file) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (str, PurePath)):
        return PurePath(value).name if is_file else str(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    raise ValueError(f"Expected plain values in the settings, but got {type(value).__name__}.")
