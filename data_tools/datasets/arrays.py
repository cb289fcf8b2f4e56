"""Images that are plain arrays in one ``.npz`` file."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from data_tools.datasets.base import Splits, dataset
from data_tools.input_spec import InputSpec
from data_tools.mapped_array import MappedArray, locate
from data_tools.npz import open_arrays, read_member
from data_tools.samples import ImageArray, IntArray, SampleSequence, SampleSet

logger = logging.getLogger(__name__)


@dataset("arrays")
def arrays(
    *,
    file: str,
    flips: bool = True,
    clean: bool = False,
    map_above_mb: Annotated[int, Field(ge=0)] = 256,
) -> Splits:
    """One ``.npz`` file with x_train, y_train, optional x_test, y_test and classes.

    Images are uint8, ``(N, H, W)`` grey or ``(N, H, W, C)`` with C = 1 or 3. Labels are integers
    from 0. Images that take more than ``map_above_mb`` are left on the disk and mapped from where
    they lie in the file; that needs a file written by ``np.savez``, and one by
    ``np.savez_compressed`` is read into memory.

    Args:
        file: The file.
        flips: Whether a mirrored image keeps its label.
        clean: Whether the labels are known to be right.
        map_above_mb: Size in MiB above which images are mapped.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: An array is missing, or has another type, shape or range.
    """
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of argument `file`, but {path} does not exist.")
    archive = open_arrays(path)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise ValueError(
            f"Expected an .npz file with x_train and y_train, but {path} is one array."
        )
    with archive:
        for needed in ("x_train", "y_train"):
            if needed not in archive:
                raise ValueError(
                    f"Expected an array `{needed}` in {path}, but got {', '.join(archive.files)}."
                )
        if ("x_test" in archive) != ("y_test" in archive):
            raise ValueError(f"Expected both x_test and y_test in {path}, or none, but got one.")
        train = _images(path, archive, "x_train", map_above_mb), _labels(archive, "y_train", path)
        test = None
        if "x_test" in archive:
            test = _images(path, archive, "x_test", map_above_mb), _labels(archive, "y_test", path)
        if "classes" in archive:
            classes = _classes(archive, path)
        else:
            highest = max(int(part[1].max(initial=0)) for part in (train, test) if part)
            classes = tuple(str(label) for label in range(highest + 1))
    return Splits(
        train=_part(*train, classes, flips),
        test=None if test is None else _part(*test, classes, flips),
        truth_known=clean,
    )


def _part(
    images: SampleSequence, label: IntArray, classes: tuple[str, ...], flips: bool
) -> SampleSet:
    return SampleSet(images, label, classes, spec=InputSpec.of(images, flips=flips))


def _images(path: Path, archive: Any, name: str, map_above_mb: int) -> SampleSequence:
    place = locate(path, name)
    shape = place.shape
    if place.dtype != np.uint8 or len(shape) not in (3, 4):
        raise ValueError(
            f"Expected uint8 images (N, H, W) or (N, H, W, C) in `{name}` of {path}, "
            f"but got {place.dtype} {shape}. Try: (x * 255).astype('uint8') if they are in [0, 1]."
        )
    if len(shape) == 4 and shape[3] not in (1, 3):
        raise ValueError(
            f"Expected 1 or 3 channels in the last axis of `{name}` of {path}, but got {shape}. "
            "Try: x.transpose(0, 2, 3, 1)."
        )
    megabytes = np.prod(shape, dtype=np.int64) / 2**20
    if megabytes > map_above_mb:
        if place.offset is not None:
            return MappedArray(path, place)
        logger.warning(
            "%s: `%s` (%.0f MiB) is compressed and cannot be mapped; reading it into memory. "
            "Written by np.savez it would stay on the disk.",
            path,
            name,
            megabytes,
        )
    pixels: ImageArray = read_member(archive, name, path)
    return pixels if pixels.ndim == 4 else pixels[..., None]


def _classes(archive: Any, path: Path) -> tuple[str, ...]:
    """Names of the classes, as the labels number them."""
    names = read_member(archive, "classes", path)
    if names.ndim != 1 or names.dtype.kind not in "iuU":
        raise ValueError(
            f"Expected names of the classes, texts or whole numbers (C,), in `classes` of {path}, "
            f"but got {names.dtype} {names.shape}."
        )
    classes = tuple(str(name).strip() for name in names)
    twice = sorted({name for name in classes if classes.count(name) > 1})
    if twice or "" in classes:
        got = f"{twice[0]!r} twice" if twice and twice[0] else "an empty one"
        raise ValueError(f"Expected a name for each class in `classes` of {path}, but got {got}.")
    return classes


def _labels(archive: Any, name: str, path: Path) -> IntArray:
    label = read_member(archive, name, path)
    if label.ndim == 2 and label.shape[1] == 1:
        label = label[:, 0]
    if label.ndim != 1 or not np.issubdtype(label.dtype, np.integer):
        raise ValueError(
            f"Expected integer labels (N,) in `{name}` of {path}, "
            f"but got {label.dtype} {label.shape}."
        )
    return label.astype(np.int64)
