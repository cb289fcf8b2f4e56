"""How vectors lie in files of each format: found and read, nothing of them believed yet."""

from __future__ import annotations

import json
import logging
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np

from data_tools.mapped_array import ArrayPlace, place_in_npy, place_in_npz
from data_tools.npz import open_arrays, read_member
from data_tools.vector_checks import check_layout
from data_tools.vector_found import Array, Found, damaged, meta_of, texts_of
from data_tools.vector_parquet import parquet_vectors

logger = logging.getLogger(__name__)

RESERVED = frozenset({"vectors", "label", "classes", "split", "meta"})
"""Names that are no columns."""

BLOCK = 64 * 2**20
_BROKEN = (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)


def read_label(path: Path) -> Array:
    """Labels from an ``.npy`` file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is none.
    """
    found = open_arrays(path)
    if not isinstance(found, np.ndarray):
        found.close()
        raise ValueError(f"Expected one array of labels, an .npy file, but {path} holds several.")
    return found


def _npz(path: Path, map_above_mb: int) -> Found:
    archive = open_arrays(path)
    if isinstance(archive, np.ndarray):
        raise ValueError(f"Expected an .npz file, but {path} is one array. Try: name it .npy.")
    with archive:
        names = set(archive.files)
        if "vectors" not in names:
            pictures = f" Try: {{kind: arrays, file: {path}}}, for pictures"
            raise ValueError(
                f"Expected an array `vectors` in {path}, but got "
                f"{', '.join(sorted(names)) or 'none'}.{pictures if 'x_train' in names else ''}"
            )
        where = f"`vectors` of {path}"
        try:
            place = place_in_npz(path, "vectors")
        except _BROKEN as error:
            raise damaged(where) from error
        check_layout(place.shape, place.dtype, where)
        if _is_large(place, map_above_mb):
            _check_sum(path, "vectors.npy", where)
            vectors = _mapped(place, where)
        else:
            vectors = read_member(archive, "vectors", path)
        others = {name: read_member(archive, name, path) for name in sorted(names - {"vectors"})}
    meta = others.pop("meta", None)
    return Found(vectors, "vectors", others, meta_of(meta, path))


def _npy(path: Path, map_above_mb: int) -> Found:
    try:
        place = place_in_npy(path)
    except _BROKEN as error:
        raise damaged(str(path)) from error
    check_layout(place.shape, place.dtype, str(path))
    _expect_bytes(place, path.stat().st_size, str(path))
    large = _is_large(place, map_above_mb)
    vectors = _mapped(place, str(path)) if large else cast(Array, open_arrays(path))
    beside = path.with_name("label.npy")
    label = {"label": read_label(beside)} if beside.is_file() else {}
    return Found(vectors, path.stem, label)


def _safetensors(path: Path, map_above_mb: int) -> Found:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            header = dict(file.metadata() or {})
            names = set(file.keys())
            if "vectors" not in names:
                raise ValueError(
                    f"Expected a tensor `vectors` in {path}, but got "
                    f"{', '.join(sorted(names)) or 'none'}."
                )
            place = _place_in_safetensors(path)
            check_layout(place.shape, place.dtype, f"`vectors` of {path}")
            large = _is_large(place, map_above_mb)
            vectors = _mapped(place, str(path)) if large else file.get_tensor("vectors")
            others = {name: file.get_tensor(name) for name in sorted(names - {"vectors"})}
    except (SafetensorError, TypeError, OSError) as error:
        raise damaged(str(path)) from error
    meta = header.pop("meta", None)
    others |= texts_of(header, path)
    return Found(
        vectors, "vectors", others, header if meta is None else meta_of(np.array(meta), path)
    )


def _place_in_safetensors(path: Path) -> ArrayPlace:
    """The format's header: its length in 8 bytes, then JSON."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(length))["vectors"]
    types = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
    if entry["dtype"] not in types:
        raise ValueError(
            f"Expected vectors of float16, float32 or float64 in `vectors` of {path}, but got "
            f"{entry['dtype']}. Try: vectors.float()."
        )
    dtype = np.dtype(types[entry["dtype"]])
    shape = tuple(entry["shape"])
    return ArrayPlace(path, 8 + length + entry["data_offsets"][0], shape, dtype, False)


FORMATS: dict[str, Callable[[Path, int], Found]] = {
    ".npz": _npz,
    ".npy": _npy,
    ".safetensors": _safetensors,
    ".parquet": parquet_vectors,
}
"""Readers by the suffix of a file: its path, and the MiB above which vectors are mapped."""


def _is_large(place: ArrayPlace, map_above_mb: int) -> bool:
    size = int(np.prod(place.shape, dtype=np.int64)) * place.dtype.itemsize
    if size <= map_above_mb * 2**20:
        return False
    if place.offset is None:
        logger.warning(
            "%s: %.0f MiB of vectors are compressed and cannot be mapped; read into memory. "
            "Written by np.savez they would stay on the disk.",
            place.path,
            size / 2**20,
        )
        return False
    return True


def _mapped(place: ArrayPlace, where: str) -> Array:
    try:
        return place.mapped()
    except (ValueError, OSError) as error:
        raise damaged(where) from error


def _expect_bytes(place: ArrayPlace, size: int, where: str) -> None:
    needed = int(np.prod(place.shape, dtype=np.int64)) * place.dtype.itemsize
    there = size - (place.offset or 0)
    if there < needed:
        raise ValueError(
            f"Expected {needed} bytes of vectors {place.shape} in {where}, but the file ends after "
            f"{there}. Try: make it again."
        )


def _check_sum(path: Path, member: str, where: str) -> None:
    """Compare a member with the archive's check sum; what is mapped is not compared otherwise."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            while file.read(BLOCK):
                pass
    except _BROKEN as error:
        raise damaged(where) from error
