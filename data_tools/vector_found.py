"""What a file of vectors holds, before any of it is believed, and the parts that formats share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Found:
    """What a file holds, as it is stored.

    Attributes:
        vectors: The vectors.
        name: What the file calls them.
        arrays: All other arrays: ``label``, ``classes``, ``split`` and columns.
        meta: Who made the vectors.
    """

    vectors: Array
    name: str
    arrays: Mapping[str, Array] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)


def damaged(where: str) -> ValueError:
    """The error of a file that ends early, or whose bytes are not what was written."""
    return ValueError(
        f"Expected a whole file of vectors, but {where} is damaged, or ends early. "
        "Try: make it again."
    )


def texts_of(header: dict[str, str], path: Path) -> dict[str, Array]:
    """The lists of texts that a header holds, taken out of it."""
    found = {}
    for name in ("classes", "split"):
        text = header.pop(name, None)
        if text is None:
            continue
        try:
            values = json.loads(text)
        except ValueError:
            values = None
        if not isinstance(values, list):
            raise ValueError(
                f"Expected a JSON list as `{name}` in the header of {path}, but got {text[:60]!r}."
            )
        found[name] = np.asarray([str(value) for value in values])
    return found


def meta_of(array: Array | None, path: Path) -> dict[str, Any]:
    """The JSON object that says who made the vectors.

    Raises:
        ValueError: It is none.
    """
    if array is None:
        return {}
    try:
        told = json.loads(str(array)) if array.ndim == 0 and array.dtype.kind == "U" else None
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise ValueError(
            f"Expected `meta` of {path} to be a text that holds a JSON object, but got "
            f"{array.dtype} {array.shape}. Try: np.array(json.dumps(...))."
        )
    return told
