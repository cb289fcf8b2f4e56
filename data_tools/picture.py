"""One opened picture as 8-bit pixels: the rule for files read as ``rgb`` or ``grey``.

What ``stored`` reads, with all its channels and its depth: :mod:`data_tools.stored_picture`.

* EXIF orientation is applied. Of several frames (GIF, WebP, TIFF) the first is read.
* Palette, CMYK and black-and-white pictures are converted; an alpha channel is left out.
* 16-bit pixels are brought to 8 bits by their type's range (65535 becomes 255), never clipped.
* Floats are read as [0, 1]. Any outside are refused: nothing says what they mean.
* 32-bit integers are refused for the same reason.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from data_tools.samples import ImageArray

if TYPE_CHECKING:
    from PIL.Image import Image

Mode = Literal["rgb", "grey", "stored"]

_SIXTEEN_BITS_AS_I = ("PNG", "PPM")  # formats of 16 bits at most, which Pillow may widen to 32


def pixels_of(opened: Image, mode: Mode) -> ImageArray:
    """Decode a picture: ``(H, W, 3)`` or, for ``mode="grey"``, ``(H, W, 1)`` uint8.

    Raises:
        ValueError: Its pixels are of a kind that this rule refuses.
        Exception: Whatever a decoder raises for damaged data.
    """
    from PIL import Image, ImageOps

    refuse_pixel_type(opened, mode)
    picture: Image.Image = ImageOps.exif_transpose(opened)
    if picture.mode.startswith(("I", "F")):
        picture = Image.fromarray(_eight_bits(np.asarray(picture)))
    elif picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")  # to RGB at once, Pillow would warn of the transparency
    pixels: ImageArray = np.asarray(picture.convert(_target(mode)))
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def refuse_pixel_type(opened: Image, mode: Mode) -> None:
    """Refuse, by its header alone, a picture whose type of pixels cannot be read right.

    Raises:
        ValueError: Its type is refused.
    """
    if opened.mode == "I" and opened.format not in _SIXTEEN_BITS_AS_I:
        raise ValueError("its pixels are 32-bit integers, and nothing says what range they have")
    if not opened.mode.startswith(("I", "F")) and not _converts(opened.mode, _target(mode)):
        raise ValueError(f"its pixels are {opened.mode}, which cannot be converted")


def _target(mode: Mode) -> str:
    return "RGB" if mode == "rgb" else "L"


@cache
def _converts(mode: str, target: str) -> bool:
    from PIL import Image

    try:
        Image.new(mode, (1, 1)).convert(target)
    except ValueError:
        return False
    return True


def _eight_bits(pixels: npt.NDArray[Any]) -> ImageArray:
    if pixels.dtype.kind == "f":
        low, high = float(pixels.min()), float(pixels.max())
        if not (low >= 0 and high <= 1):  # so written, it refuses nan too
            raise ValueError(f"its float pixels go from {low:.4g} to {high:.4g}, not from 0 to 1")
        return np.round(pixels.astype(np.float64) * 255).astype(np.uint8)
    return np.round(pixels.astype(np.float64) / 257).astype(np.uint8)
