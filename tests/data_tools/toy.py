"""Small sets that the tests of this folder share."""

from pathlib import Path

import numpy as np
from PIL import Image

from data_tools.samples import IntArray, SampleSet


def labelled(label: IntArray, classes: int | tuple[str, ...], size: int = 1) -> SampleSet:
    """Images of noise with these labels."""
    names = tuple(map(str, range(classes))) if isinstance(classes, int) else classes
    pixels = np.random.default_rng(0).integers(0, 256, (len(label), size, size, 1), np.uint8)
    return SampleSet(pixels, label.astype(np.int64), names)


def balanced(classes: int | tuple[str, ...], per_class: int, size: int = 1) -> SampleSet:
    count = classes if isinstance(classes, int) else len(classes)
    return labelled(np.repeat(np.arange(count), per_class), classes, size)


def write_png(path: Path, value: int, size: tuple[int, int] = (4, 6), mode: str = "RGB") -> Path:
    """One image of one colour, ``size`` is (height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size[::-1], value if mode == "L" else (value, 0, 255 - value)).save(path)
    return path
