"""Images that are plain arrays: in one ``.npz`` file, or in a folder of ``.npy`` files."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from data_tools.array_source import ArraySource, open_source
from data_tools.datasets.base import Scale, Splits, dataset
from data_tools.float_range import FloatRange
from data_tools.input_spec import InputSpec
from data_tools.mapped_array import MappedArray
from data_tools.picture_array import check_pictures
from data_tools.samples import IntArray, SampleSequence, SampleSet
from data_tools.stored_picture import depth_of

logger = logging.getLogger(__name__)

BLOCK = 64 * 2**20  # bytes of floats looked at at a time


@dataset("arrays")
def arrays(
    *,
    file: str,
    flips: bool = True,
    scale: Scale | None = None,
    clean: bool = False,
    map_above_mb: Annotated[int, Field(ge=0)] = 256,
) -> Splits:
    """Arrays x_train, y_train, optional x_test, y_test and classes.

    Images are uint8, uint16 or floats, ``(N, H, W)`` grey or ``(N, H, W, C)`` with 1 to 16
    channels. Labels are integers from 0. Images that take more than ``map_above_mb`` are left on
    the disk and mapped from where they lie in the file; that needs a file written by ``np.savez``
    or ``np.save``, and one by ``np.savez_compressed`` is read into memory.

    Args:
        file: An ``.npz`` file, or a folder of ``x_train.npy``, ``y_train.npy`` and so on.
        flips: Whether a mirrored image keeps its label.
        scale: The value that stands for 1; None is the largest of an integer type, and 1 of floats,
            all of which must then be in [0, 1]. With it, what is outside is cut off.
        clean: Whether the labels are known to be right.
        map_above_mb: Size in MiB above which images are mapped.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: An array is missing, or has another type, shape or range.
    """
    path = Path(file)
    if not path.exists():
        raise FileNotFoundError(f"Expected a file of argument `file`, but {path} does not exist.")
    with open_source(path) as source:
        for needed in ("x_train", "y_train"):
            if needed not in source.names:
                raise ValueError(
                    f"Expected an array `{needed}` in {path}, but got {', '.join(source.names)}."
                )
        if ("x_test" in source.names) != ("y_test" in source.names):
            raise ValueError(f"Expected both x_test and y_test in {path}, or none, but got one.")
        splits = ["train", "test"] if "x_test" in source.names else ["train"]
        images = {split: _images(source, f"x_{split}", map_above_mb, scale) for split in splits}
        labels = {split: _labels(source, f"y_{split}") for split in splits}
        if "classes" in source.names:
            classes = _classes(source)
        else:
            highest = max(int(label.max(initial=0)) for label in labels.values())
            classes = tuple(str(label) for label in range(highest + 1))
    specs = {split: InputSpec.of(part, flips=flips, scale=scale) for split, part in images.items()}
    if "test" in specs:
        _expect_alike(path, specs["train"], specs["test"])
    parts = {
        split: SampleSet(images[split], labels[split], classes, spec=specs[split])
        for split in splits
    }
    return Splits(train=parts["train"], test=parts.get("test"), truth_known=clean)


def _images(
    source: ArraySource, name: str, map_above_mb: int, scale: float | None
) -> SampleSequence:
    place = source.place(name)
    shape = place.shape
    where = f"`{name}` of {source.path}"
    check_pictures(shape, place.dtype, where)
    megabytes = np.prod(shape, dtype=np.int64) * place.dtype.itemsize / 2**20
    mapped = megabytes > map_above_mb and place.offset is not None
    if megabytes > map_above_mb and not mapped:
        logger.warning(
            "%s: `%s` (%.0f MiB) is compressed and cannot be mapped; reading it into memory. "
            "Written by np.savez it would stay on the disk.",
            source.path,
            name,
            megabytes,
        )
    images: SampleSequence
    if mapped:
        images = MappedArray(place)
    else:
        pixels = source.read(name)
        pixels = pixels.astype(depth_of(pixels.dtype), copy=False)
        images = pixels if pixels.ndim == 4 else pixels[..., None]
    if place.dtype.kind == "f":
        _check_range(images, shape, where, scale)
    return images


def _check_range(
    images: SampleSequence, shape: tuple[int, ...], where: str, scale: float | None
) -> None:
    """Refuse floats that are not finite, or of which nothing says what they mean."""
    step = max(1, BLOCK // (4 * int(np.prod(shape[1:]))))
    found = FloatRange(where, scale)
    for start in range(0, shape[0], step):
        block = np.stack([images[i] for i in range(start, min(start + step, shape[0]))])
        found.see(block, start)
    found.settle()


def _expect_alike(path: Path, train: InputSpec, test: InputSpec) -> None:
    if (train.channels, train.dtype) != (test.channels, test.dtype):
        raise ValueError(
            f"Expected images of {train.channels} channels of {train.dtype} in `x_test` of {path}, "
            f"as in `x_train`, but got {test.channels} of {test.dtype}."
        )


def _classes(source: ArraySource) -> tuple[str, ...]:
    """Names of the classes, as the labels number them."""
    names = source.read("classes")
    if names.ndim != 1 or names.dtype.kind not in "iuU":
        raise ValueError(
            "Expected names of the classes, texts or whole numbers (C,), in `classes` of "
            f"{source.path}, but got {names.dtype} {names.shape}."
        )
    classes = tuple(str(name).strip() for name in names)
    twice = sorted({name for name in classes if classes.count(name) > 1})
    if twice or "" in classes:
        got = f"{twice[0]!r} twice" if twice and twice[0] else "an empty one"
        raise ValueError(
            f"Expected a name for each class in `classes` of {source.path}, but got {got}."
        )
    return classes


def _labels(source: ArraySource, name: str) -> IntArray:
    label = source.read(name)
    if label.ndim == 2 and label.shape[1] == 1:
        label = label[:, 0]
    if label.ndim != 1 or not np.issubdtype(label.dtype, np.integer):
        raise ValueError(
            f"Expected integer labels (N,) in `{name}` of {source.path}, "
            f"but got {label.dtype} {label.shape}."
        )
    return label.astype(np.int64)
