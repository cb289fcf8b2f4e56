"""Vectors of captions that a text encoder made, from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.npz import open_arrays, read_member
from data_tools.synthetic_set import normalised_caption

TEXTS, VECTORS = "captions", "vectors"


def read_caption_vectors(path: Path) -> tuple[dict[str, int], npt.NDArray[np.float32]]:
    """The places of captions, by their normalised texts, and a vector at each place.

    Args:
        path: An ``.npz`` file with ``captions``, n texts, and ``vectors``, ``(n, E)`` numbers. Of
            texts that are the same once normalised the first counts.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no such file, or texts and vectors do not fit.
    """
    archive = open_arrays(path)
    names = getattr(archive, "files", [])
    missing = [name for name in (TEXTS, VECTORS) if name not in names]
    if missing:
        raise _refuse(path, f"arrays `{TEXTS}` and `{VECTORS}`", f"no {' and no '.join(missing)}")
    with archive:
        texts = read_member(archive, TEXTS, path)
        vectors = read_member(archive, VECTORS, path)
    if texts.ndim != 1 or texts.dtype.kind != "U" or not len(texts):
        raise _refuse(path, f"texts (n,) in `{TEXTS}`", f"{texts.dtype} {texts.shape}")
    if vectors.ndim != 2 or vectors.dtype.kind != "f" or len(vectors) != len(texts):
        wanted = f"floats ({len(texts)}, E) in `{VECTORS}`"
        raise _refuse(path, wanted, f"{vectors.dtype} {vectors.shape}")
    bad = int((~np.isfinite(vectors).all(axis=1)).sum())
    if bad:
        raise _refuse(path, f"finite numbers in `{VECTORS}`", f"{bad} rows with others")
    places: dict[str, int] = {}
    for place, text in enumerate(texts.tolist()):
        places.setdefault(normalised_caption(text), place)
    return places, vectors.astype(np.float32)


def _refuse(path: Path, expected: str, got: Any) -> ValueError:
    return ValueError(
        f"Expected {expected} of {path}, but got {got}. "
        f"Try: np.savez(file, {TEXTS}=texts, {VECTORS}=x)"
    )
